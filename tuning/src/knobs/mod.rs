//! Room: tuning. All knobs, in the order they are shown: first what stops the server, then what slows it.

mod cgroup_cpu;
mod cgroup_memory;
mod governor;
mod huge_pages;
mod io_uring;
mod kernel;
mod memlock;
mod nofile;
mod somaxconn;

use crate::knob::Knob;

pub fn all() -> Vec<Box<dyn Knob>> {
    vec![
        Box::new(kernel::Kernel),
        Box::new(io_uring::IoUring),
        Box::new(nofile::Nofile),
        Box::new(memlock::Memlock),
        Box::new(somaxconn::Somaxconn),
        Box::new(cgroup_cpu::CgroupCpu),
        Box::new(cgroup_memory::CgroupMemory),
        Box::new(huge_pages::HugePages),
        Box::new(governor::Governor),
    ]
}
