//! The decimal digits of a double by Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", 2010). What it finds always reads back as the same double, but one time in a few hundred it is neither the
//! shortest nor the nearest such text. Redis prints doubles with it, and clients compare texts, so here it is: step by step
//! the same decisions. Everywhere else the standard library's shortest digits would be the better choice.

/// fraction x 2^exponent
#[derive(Clone, Copy)]
struct Float {
    fraction: u64,
    exponent: i32,
}

impl Float {
    /// The product's upper 64 bits, rounded.
    fn times(self, other: Float) -> Float {
        let product = self.fraction as u128 * other.fraction as u128 + (1 << 63);
        Float { fraction: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }

    fn normal(self) -> Float {
        let up = self.fraction.leading_zeros();
        Float { fraction: self.fraction << up, exponent: self.exponent - up as i32 }
    }
}

const HIDDEN_BIT: u64 = 1 << 52;

/// Digits and exponent of a positive, finite double: digits x 10^exponent. `digits` needs 18 bytes; how many were filled.
pub fn digits(x: f64, digits: &mut [u8; 18]) -> (usize, i32) {
    let bits = x.to_bits();
    let (fraction, biased) = (bits & (HIDDEN_BIT - 1), (bits >> 52 & 0x7FF) as i32);
    let value = if biased == 0 {
        Float { fraction, exponent: -1074 }
    } else {
        Float { fraction: fraction | HIDDEN_BIT, exponent: biased - 1075 }
    };
    // Half way to the neighbours; the lower one of a power of two is nearer.
    let upper = Float { fraction: (value.fraction << 1) + 1, exponent: value.exponent - 1 }.normal();
    let nearer = if value.fraction == HIDDEN_BIT { 2 } else { 1 };
    let lower = Float { fraction: (value.fraction << nearer) - 1, exponent: value.exponent - nearer };
    let lower = Float { fraction: lower.fraction << (lower.exponent - upper.exponent), exponent: upper.exponent };

    let (power, decimal) = power_for(upper.exponent);
    let value = value.normal().times(power);
    // A product may be off by one in its last place: one inwards on both sides is safe.
    let upper = Float { fraction: upper.times(power).fraction - 1, exponent: value.exponent };
    let lower = lower.times(power).fraction + 1;
    let (count, exponent) = generate(value.fraction, upper, upper.fraction - lower, digits);
    (count, exponent - decimal)
}

/// The digits of `upper`, cut off as soon as what is cut is below `width`, then moved down towards `value`.
fn generate(value: u64, upper: Float, width: u64, digits: &mut [u8; 18]) -> (usize, i32) {
    let shift = -upper.exponent as u32; // 32 ..= 60, by the choice of the power.
    let one = 1u64 << shift;
    let above = upper.fraction - value;
    let (mut whole, mut part) = (upper.fraction >> shift, upper.fraction & (one - 1));
    let mut count = 0;
    let mut push = |digit: u64, count: &mut usize| {
        if digit > 0 || *count > 0 {
            digits[*count] = b'0' + digit as u8;
            *count += 1;
        }
    };
    for place in (0..10).rev() {
        let unit = 10u64.pow(place);
        push(whole / unit, &mut count);
        whole %= unit;
        let rest = (whole << shift) + part;
        if rest <= width {
            round(&mut digits[count - 1], width, rest, unit << shift, above);
            return (count, place as i32);
        }
    }
    let (mut width, mut scale, mut place) = (width, 1u64, 0);
    loop {
        part = part.wrapping_mul(10);
        width = width.wrapping_mul(10);
        scale = scale.wrapping_mul(10);
        place -= 1;
        push(part >> shift, &mut count);
        part &= one - 1;
        if part < width {
            round(&mut digits[count - 1], width, part, one, above.wrapping_mul(scale));
            return (count, place);
        }
    }
}

/// Lowers the last digit while that comes nearer to the value, which lies `above` below the upper bound.
fn round(digit: &mut u8, width: u64, mut rest: u64, unit: u64, above: u64) {
    while rest < above
        && width - rest >= unit
        && (rest + unit < above || above - rest > rest.wrapping_add(unit).wrapping_sub(above))
    {
        *digit -= 1;
        rest += unit;
    }
}

/// A power of ten that brings a float of this exponent to one of -60 ..= -32, and its decimal exponent. Where two would do,
/// the guess decides which.
fn power_for(exponent: i32) -> (Float, i32) {
    const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
    let guess = (-(exponent + POWERS.len() as i32) as f64 * LOG10_OF_2) as i32;
    let mut i = (guess - FIRST) / STEP;
    loop {
        let (fraction, power) = POWERS[i as usize];
        match exponent + power + 64 {
            ..-60 => i += 1,
            -60..=-32 => return (Float { fraction, exponent: power }, FIRST + i * STEP),
            _ => i -= 1,
        }
    }
}

const FIRST: i32 = -348;
const STEP: i32 = 8;

/// 10^-348, 10^-340 .. 10^340, rounded to 64 bits: fraction and binary exponent.
#[rustfmt::skip]
static POWERS: [(u64, i32); 87] = [
    (0xFA8FD5A0081C0288, -1220), (0xBAAEE17FA23EBF76, -1193), (0x8B16FB203055AC76, -1166), (0xCF42894A5DCE35EA, -1140),
    (0x9A6BB0AA55653B2D, -1113), (0xE61ACF033D1A45DF, -1087), (0xAB70FE17C79AC6CA, -1060), (0xFF77B1FCBEBCDC4F, -1034),
    (0xBE5691EF416BD60C, -1007), (0x8DD01FAD907FFC3C, -980), (0xD3515C2831559A83, -954), (0x9D71AC8FADA6C9B5, -927),
    (0xEA9C227723EE8BCB, -901), (0xAECC49914078536D, -874), (0x823C12795DB6CE57, -847), (0xC21094364DFB5637, -821),
    (0x9096EA6F3848984F, -794), (0xD77485CB25823AC7, -768), (0xA086CFCD97BF97F4, -741), (0xEF340A98172AACE5, -715),
    (0xB23867FB2A35B28E, -688), (0x84C8D4DFD2C63F3B, -661), (0xC5DD44271AD3CDBA, -635), (0x936B9FCEBB25C996, -608),
    (0xDBAC6C247D62A584, -582), (0xA3AB66580D5FDAF6, -555), (0xF3E2F893DEC3F126, -529), (0xB5B5ADA8AAFF80B8, -502),
    (0x87625F056C7C4A8B, -475), (0xC9BCFF6034C13053, -449), (0x964E858C91BA2655, -422), (0xDFF9772470297EBD, -396),
    (0xA6DFBD9FB8E5B88F, -369), (0xF8A95FCF88747D94, -343), (0xB94470938FA89BCF, -316), (0x8A08F0F8BF0F156B, -289),
    (0xCDB02555653131B6, -263), (0x993FE2C6D07B7FAC, -236), (0xE45C10C42A2B3B06, -210), (0xAA242499697392D3, -183),
    (0xFD87B5F28300CA0E, -157), (0xBCE5086492111AEB, -130), (0x8CBCCC096F5088CC, -103), (0xD1B71758E219652C, -77),
    (0x9C40000000000000, -50), (0xE8D4A51000000000, -24), (0xAD78EBC5AC620000, 3), (0x813F3978F8940984, 30),
    (0xC097CE7BC90715B3, 56), (0x8F7E32CE7BEA5C70, 83), (0xD5D238A4ABE98068, 109), (0x9F4F2726179A2245, 136),
    (0xED63A231D4C4FB27, 162), (0xB0DE65388CC8ADA8, 189), (0x83C7088E1AAB65DB, 216), (0xC45D1DF942711D9A, 242),
    (0x924D692CA61BE758, 269), (0xDA01EE641A708DEA, 295), (0xA26DA3999AEF774A, 322), (0xF209787BB47D6B85, 348),
    (0xB454E4A179DD1877, 375), (0x865B86925B9BC5C2, 402), (0xC83553C5C8965D3D, 428), (0x952AB45CFA97A0B3, 455),
    (0xDE469FBD99A05FE3, 481), (0xA59BC234DB398C25, 508), (0xF6C69A72A3989F5C, 534), (0xB7DCBF5354E9BECE, 561),
    (0x88FCF317F22241E2, 588), (0xCC20CE9BD35C78A5, 614), (0x98165AF37B2153DF, 641), (0xE2A0B5DC971F303A, 667),
    (0xA8D9D1535CE3B396, 694), (0xFB9B7CD9A4A7443C, 720), (0xBB764C4CA7A44410, 747), (0x8BAB8EEFB6409C1A, 774),
    (0xD01FEF10A657842C, 800), (0x9B10A4E5E9913129, 827), (0xE7109BFBA19C0C9D, 853), (0xAC2820D9623BF429, 880),
    (0x80444B5E7AA7CF85, 907), (0xBF21E44003ACDD2D, 933), (0x8E679C2F5E44FF8F, 960), (0xD433179D9C8CB841, 986),
    (0x9E19DB92B4E31BA9, 1013), (0xEB96BF6EBADF77D9, 1039), (0xAF87023B9BF0EE6B, 1066),
];

#[cfg(test)]
mod tests {
    use super::super::big::Big;
    use super::*;

    #[test]
    fn powers_are_powers_of_ten() {
        for (i, &(fraction, exponent)) in POWERS.iter().enumerate() {
            let decimal = FIRST + i as i32 * STEP;
            let mut power = Big::from_u128(1);
            power.multiply_pow10(decimal.unsigned_abs());
            // 65 bits of the quotient; the last one rounds.
            let quotient = if decimal < 0 {
                let mut one = Big::from_u128(1);
                one.shift_left((1 - exponent) as u32);
                one.divide(&power).0
            } else if exponent > 0 {
                power.shift_right(exponent as u32 - 1);
                power.low_u128()
            } else {
                power.shift_left((1 - exponent) as u32);
                power.low_u128()
            };
            assert_eq!(fraction as u128, (quotient + 1) >> 1, "10^{decimal}");
        }
    }

    #[test]
    fn digits_read_back_as_the_same_double() {
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        println!("seed {state}");
        for _ in 0..200_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let x = f64::from_bits((state ^ state >> 29) & !(1 << 63));
            if x == 0.0 || !x.is_finite() {
                continue;
            }
            let mut buffer = [0; 18];
            let (count, exponent) = digits(x, &mut buffer);
            let text = format!("{}e{exponent}", std::str::from_utf8(&buffer[..count]).expect("digits"));
            assert_eq!(text.parse::<f64>(), Ok(x), "{text}");
        }
    }
}
