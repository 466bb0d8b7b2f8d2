//! Whole numbers of any size: as much arithmetic as exact conversions between decimal and binary need.

use std::cmp::Ordering;

/// Little-endian limbs of 64 bits, no zero limb at the top; zero has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Big {
    limbs: Vec<u64>,
}

/// The largest power of ten in a limb: 10^19.
const TEN_MAX: u64 = 10u64.pow(19);

impl Big {
    pub fn from_u128(n: u128) -> Big {
        let mut big = Big { limbs: vec![n as u64, (n >> 64) as u64] };
        big.trim();
        big
    }

    /// `digits` are ASCII digits.
    pub fn from_decimal(digits: impl Iterator<Item = u8>) -> Big {
        let mut big = Big::default();
        let (mut chunk, mut factor) = (0u64, 1u64);
        for d in digits {
            chunk = chunk * 10 + (d - b'0') as u64;
            factor *= 10;
            if factor == TEN_MAX {
                big.multiply_add(factor, chunk);
                (chunk, factor) = (0, 1);
            }
        }
        big.multiply_add(factor, chunk);
        big
    }

    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub fn bits(&self) -> u32 {
        self.limbs.last().map_or(0, |top| self.limbs.len() as u32 * 64 - top.leading_zeros())
    }

    fn multiply_add(&mut self, factor: u64, term: u64) {
        let mut carry = term as u128;
        for limb in &mut self.limbs {
            carry += *limb as u128 * factor as u128;
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            self.limbs.push(carry as u64);
        }
    }

    pub fn multiply_pow10(&mut self, mut exponent: u32) {
        while exponent >= 19 {
            self.multiply_add(TEN_MAX, 0);
            exponent -= 19;
        }
        self.multiply_add(10u64.pow(exponent), 0);
    }

    pub fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        let (whole, part) = ((bits / 64) as usize, bits % 64);
        if part > 0 {
            self.multiply_add(1 << part, 0);
        }
        self.limbs.splice(0..0, std::iter::repeat_n(0, whole));
    }

    /// Shifts right; whether a bit that was set fell out.
    pub fn shift_right(&mut self, bits: u32) -> bool {
        let (whole, part) = ((bits / 64) as usize, bits % 64);
        let gone = whole.min(self.limbs.len());
        let mut lost = self.limbs.drain(..gone).any(|limb| limb != 0);
        if part > 0 && !self.limbs.is_empty() {
            lost |= self.limbs[0] << (64 - part) != 0;
            for i in 0..self.limbs.len() {
                let above = self.limbs.get(i + 1).copied().unwrap_or(0);
                self.limbs[i] = self.limbs[i] >> part | above << (64 - part);
            }
        }
        self.trim();
        lost
    }

    /// The lowest 128 bits.
    pub fn low_u128(&self) -> u128 {
        self.limbs.iter().take(2).rev().fold(0, |n, &limb| n << 64 | limb as u128)
    }

    /// Divides in place by 10^9, returns the remainder. Half a limb a step, so that it is plain 64-bit division by a constant.
    fn divide_billion(&mut self) -> u32 {
        const BILLION: u64 = 1_000_000_000;
        let mut rest = 0u64;
        for limb in self.limbs.iter_mut().rev() {
            let high = rest << 32 | *limb >> 32;
            let low = ((high % BILLION) << 32) | (*limb & u32::MAX as u64);
            *limb = ((high / BILLION) << 32) | (low / BILLION);
            rest = low % BILLION;
        }
        self.trim();
        rest as u32
    }

    /// The quotient, which must be below 2^128, and whether a remainder is left. One bit a step: a quotient has some 70.
    pub fn divide(mut self, divisor: &Big) -> (u128, bool) {
        let steps = (self.bits() + 1).saturating_sub(divisor.bits());
        assert!(steps <= 128 && !divisor.is_zero(), "a quotient of {steps} bits");
        let mut shifted = divisor.clone();
        shifted.shift_left(steps.saturating_sub(1));
        let mut quotient = 0u128;
        for step in 0..steps {
            if step > 0 {
                shifted.shift_right(1);
            }
            quotient <<= 1;
            if self.compare(&shifted) != Ordering::Less {
                self.subtract(&shifted);
                quotient |= 1;
            }
        }
        (quotient, !self.is_zero())
    }

    pub fn compare(&self, other: &Big) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// `self -= other`, which must not be the larger one.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let (n, under) = limb.overflowing_sub(other.limbs.get(i).copied().unwrap_or(0));
            let (n, under_again) = n.overflowing_sub(borrow as u64);
            *limb = n;
            borrow = under || under_again;
        }
        debug_assert!(!borrow);
        self.trim();
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// Decimal digits, most significant first; `0` for zero.
    pub fn into_decimal(mut self) -> Vec<u8> {
        if self.is_zero() {
            return vec![b'0'];
        }
        let mut digits = Vec::with_capacity(self.limbs.len() * 20 + 9);
        while !self.is_zero() {
            let mut chunk = self.divide_billion();
            for _ in 0..9 {
                digits.push(b'0' + (chunk % 10) as u8);
                chunk /= 10;
            }
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        digits.reverse();
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_as_machine_words_have_them() {
        let mut state = 88172645463325252u64;
        println!("seed {state}");
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let (a, b) = (next() as u128 >> (next() % 64), (next() >> (next() % 60)).max(1));
            let big = |n: u128| Big::from_u128(n);
            let mut product = big(a);
            product.multiply_add(b, 7);
            assert_eq!(product.low_u128(), a * b as u128 + 7);
            assert_eq!(product.clone().into_decimal(), (a * b as u128 + 7).to_string().into_bytes());
            assert_eq!(Big::from_decimal((a * b as u128).to_string().bytes()), big(a * b as u128));
            let n = (next() as u128) << 64 | next() as u128;
            assert_eq!(big(n).divide(&big(b as u128)), (n / b as u128, !n.is_multiple_of(b as u128)));
            let shift = (next() % 128) as u32;
            let mut down = big(n);
            assert_eq!(down.shift_right(shift), n & ((1 << shift) - 1) != 0);
            assert_eq!(down, big(n >> shift));
            down.shift_left(shift);
            assert_eq!(down, big(n >> shift << shift));
        }
    }

    #[test]
    fn large_numbers_return_from_decimal() {
        let digits: Vec<u8> = (0..5000u32).map(|i| b'1' + (i * i % 9) as u8).collect();
        assert_eq!(Big::from_decimal(digits.iter().copied()).into_decimal(), digits);
        let mut power = Big::from_u128(1);
        power.multiply_pow10(777);
        let mut expected = vec![b'1'];
        expected.resize(778, b'0');
        assert_eq!(power.into_decimal(), expected);
    }
}
