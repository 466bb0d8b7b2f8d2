//! Room: command. PFSELFTEST: registers keep what is written to them, estimates are near the truth.
//! Touches: nothing.

use super::sketch;
use crate::context::Ctx;
use crate::keep::same_db;
use crate::row::{Job, KeyWrite, Read, Together};
use base::{Args, Fault, Reply};

/// Redis counts ten million: here the same steps of ten up to a million, which take a tenth of the time.
const ELEMENTS: u64 = 1_000_000;
/// What counting one element takes, in the nanoseconds that `Job::step` counts by.
const UNITS_AN_ELEMENT: usize = 100;
/// How often all registers are written.
const CYCLES: u64 = 100;
const SPARSE_MAX: usize = 3000;

/// PFSELFTEST
pub fn pfselftest(ctx: &mut Ctx<'_>, _: Args<'_>, _: &mut dyn Reply) {
    ctx.job = Some(Box::new(SelfTest::new(ctx.now_ms)));
}

pub static PFSELFTEST: Together = Together {
    read: |_, _| Read::Skip,
    decide: |decide, _, _, _| decide.job = Some(Box::new(SelfTest::new(decide.now_ms))),
    db: same_db,
};

struct SelfTest {
    seed: u64,
    cycle: u64,
    element: u64,
    checkpoint: u64,
    dense: Vec<u8>,
    sparse: Vec<u8>,
    failed: Option<String>,
}

impl SelfTest {
    fn new(seed: u64) -> SelfTest {
        let mut dense = sketch::empty();
        let whole = sketch::to_dense(&mut dense);
        SelfTest {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            cycle: 0,
            element: 0,
            checkpoint: 1,
            dense,
            sparse: sketch::empty(),
            failed: whole.is_err().then(|| "empty one is corrupt".into()),
        }
    }

    fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    /// Each register keeps its value whatever its neighbours are.
    fn registers(&mut self) {
        let mut dense = self.dense.clone();
        let values: Vec<u8> = (0..sketch::REGISTERS).map(|_| self.draw() as u8 & 63).collect();
        for (index, &value) in values.iter().enumerate() {
            let (at, patch, len) = sketch::dense_patch(&dense, index, value);
            dense[at..at + len].copy_from_slice(&patch[..len]);
        }
        for (index, &value) in values.iter().enumerate() {
            let is = sketch::dense_get(&dense, index);
            if is != value {
                self.failed = Some(format!("Register {index} should be {value} but is {is}"));
            }
        }
    }

    fn check(&mut self) {
        let (Ok(dense), Ok(sparse)) = (sketch::estimate(&self.dense), sketch::estimate(&self.sparse)) else {
            self.failed = Some("dense/sparse disagree".into());
            return;
        };
        let n = self.checkpoint;
        // 1.04 / sqrt(registers) is the standard error.
        let most = if n == 10 { 1 } else { (1.04 / 128.0 * 6.0 * n as f64).ceil() as u64 };
        if n < SPARSE_MAX as u64 / 2 && !sketch::is_sparse(&self.sparse) {
            self.failed = Some("sparse encoding not used".into());
        } else if dense != sparse {
            self.failed = Some("dense/sparse disagree".into());
        } else if dense.abs_diff(n) > most {
            self.failed = Some(format!("Too big error. card:{n} abserr:{}", dense.abs_diff(n)));
        }
    }
}

impl Job for SelfTest {
    fn step(&mut self, units: usize) -> bool {
        if self.cycle < CYCLES {
            // 16,384 registers, twice: some 100 µs.
            self.registers();
            self.cycle += 1;
            return self.failed.is_some();
        }
        for _ in 0..(units / UNITS_AN_ELEMENT).max(1) {
            if self.element == ELEMENTS || self.failed.is_some() {
                return true;
            }
            self.element += 1;
            let (index, value) = sketch::place(&(self.element ^ self.seed).to_le_bytes());
            let counted = sketch::raise(&mut self.dense, index, value, SPARSE_MAX)
                .and_then(|_| sketch::raise(&mut self.sparse, index, value, SPARSE_MAX));
            if counted.is_err() {
                self.failed = Some("dense/sparse disagree".into());
            }
            if self.element == self.checkpoint {
                self.check();
                self.checkpoint *= 10;
            }
        }
        false
    }

    fn finish(&mut self, _: &mut Vec<KeyWrite>, reply: &mut dyn Reply) -> bool {
        match &self.failed {
            None => reply.ok(),
            Some(text) => reply.fault(&Fault::err(format!("TESTFAILED {text}"))),
        }
        true
    }
}
