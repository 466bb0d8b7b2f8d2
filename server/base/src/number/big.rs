//! Whole numbers of any size: as much arithmetic as exact conversions between decimal and binary need.

use std::cmp::Ordering;

/// Little-endian limbs of 32 bits, no zero limb at the top; zero has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Big {
    limbs: Vec<u32>,
}

impl Big {
    pub fn from_u128(mut n: u128) -> Big {
        let mut limbs = Vec::with_capacity(4);
        while n > 0 {
            limbs.push(n as u32);
            n >>= 32;
        }
        Big { limbs }
    }

    /// `digits` are ASCII digits.
    pub fn from_decimal(digits: impl Iterator<Item = u8>) -> Big {
        let mut big = Big::default();
        let (mut chunk, mut factor) = (0u32, 1u32);
        for d in digits {
            chunk = chunk * 10 + (d - b'0') as u32;
            factor *= 10;
            if factor == 1_000_000_000 {
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
        self.limbs.last().map_or(0, |top| self.limbs.len() as u32 * 32 - top.leading_zeros())
    }

    pub fn multiply_add(&mut self, factor: u32, term: u32) {
        let mut carry = term as u64;
        for limb in &mut self.limbs {
            carry += *limb as u64 * factor as u64;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.limbs.push(carry as u32);
        }
    }

    pub fn multiply_pow10(&mut self, mut exponent: u32) {
        while exponent >= 9 {
            self.multiply_add(1_000_000_000, 0);
            exponent -= 9;
        }
        self.multiply_add(10u32.pow(exponent), 0);
    }

    pub fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        let (whole, part) = ((bits / 32) as usize, bits % 32);
        if part > 0 {
            self.multiply_add(1 << part, 0);
        }
        self.limbs.splice(0..0, std::iter::repeat_n(0, whole));
    }

    /// Shifts right; whether a bit that was set fell out.
    pub fn shift_right(&mut self, bits: u32) -> bool {
        let (whole, part) = ((bits / 32) as usize, bits % 32);
        let gone = whole.min(self.limbs.len());
        let mut lost = self.limbs.drain(..gone).any(|limb| limb != 0);
        if part > 0 && !self.limbs.is_empty() {
            lost |= self.limbs[0] << (32 - part) != 0;
            for i in 0..self.limbs.len() {
                let above = self.limbs.get(i + 1).copied().unwrap_or(0);
                self.limbs[i] = self.limbs[i] >> part | above << (32 - part);
            }
        }
        self.trim();
        lost
    }

    /// The lowest 128 bits.
    pub fn low_u128(&self) -> u128 {
        self.limbs.iter().take(4).rev().fold(0, |n, &limb| n << 32 | limb as u128)
    }

    /// Divides in place by `divisor`, returns the remainder.
    pub fn divide_small(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.limbs.iter_mut().rev() {
            let n = rest << 32 | *limb as u64;
            *limb = (n / divisor as u64) as u32;
            rest = n % divisor as u64;
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
        let mut borrow = 0i64;
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let n = *limb as i64 - other.limbs.get(i).copied().unwrap_or(0) as i64 - borrow;
            *limb = n as u32;
            borrow = (n < 0) as i64;
        }
        debug_assert_eq!(borrow, 0);
        self.trim();
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// Decimal digits, most significant first; `0` for zero.
    pub fn to_decimal(mut self) -> Vec<u8> {
        if self.is_zero() {
            return vec![b'0'];
        }
        let mut digits = Vec::with_capacity(self.limbs.len() * 10 + 9);
        while !self.is_zero() {
            let mut chunk = self.divide_small(1_000_000_000);
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
