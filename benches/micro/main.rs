//! Room: benches, micro. `cargo bench -p benches`: criterion over all cases. Under `cargo test -p benches` each runs once, small.

mod cases;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Some 100 MiB with values of 100 bytes: far beyond L2, as a cache's data are.
const KEYS: u64 = 500_000;
/// For `cargo test`: enough that tables have grown.
const KEYS_OF_TEST: u64 = 5000;

fn run(criterion: &mut Criterion) {
    // Criterion's own rule: without --bench it only tests.
    let measures = std::env::args().any(|arg| arg == "--bench");
    let keys = if measures { KEYS } else { KEYS_OF_TEST };
    for case in cases::all() {
        let (group, what) = case.name.split_once('/').expect("names are group/what");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(1));
        // Made only for those that the filter lets through.
        let mut run = None;
        group.bench_function(BenchmarkId::from_parameter(what), |bencher| {
            let run = run.get_or_insert_with(|| (case.make)(keys));
            bencher.iter_custom(run);
        });
        group.finish();
    }
}

fn settings() -> Criterion {
    // Two minutes for all on one core.
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(30)
}

criterion_group! { name = micro; config = settings(); targets = run }
criterion_main!(micro);
