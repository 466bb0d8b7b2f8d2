//! Room: tuning, knob. All knobs, in the order they are shown: first what stops the server, then what slows it.

mod busy_poll;
mod c_states;
mod cgroup_cpu;
mod cgroup_memory;
mod clocksource;
mod direct_io;
mod governor;
mod halt_poll;
mod huge_pages;
mod idle_spin;
mod io_uring;
mod irq;
mod isolated;
mod kernel;
mod memlock;
mod nic_queues;
mod nic_rings;
mod nofile;
mod numa;
mod overcommit;
mod rfs;
mod ring_features;
mod rps;
mod seccomp;
mod smt;
mod socket_buffers;
mod somaxconn;
mod steal;
mod swap;
mod syn_backlog;
mod xps;

use crate::knob::Knob;
pub use clocksource::FAST as FAST_CLOCKS;

pub fn all() -> Vec<Box<dyn Knob>> {
    vec![
        Box::new(kernel::Kernel),
        Box::new(ring_features::RingFeatures),
        Box::new(io_uring::IoUring),
        Box::new(seccomp::Seccomp),
        Box::new(nofile::Nofile),
        Box::new(memlock::Memlock),
        Box::new(cgroup_cpu::CgroupCpu),
        Box::new(cgroup_memory::CgroupMemory),
        Box::new(governor::Governor),
        Box::new(c_states::CStates),
        Box::new(halt_poll::HaltPoll),
        Box::new(isolated::Isolated),
        Box::new(smt::Smt),
        Box::new(numa::Numa),
        Box::new(clocksource::Clocksource),
        Box::new(steal::Steal),
        Box::new(irq::Irq),
        Box::new(rps::Rps),
        Box::new(rfs::Rfs),
        Box::new(xps::Xps),
        Box::new(nic_queues::NicQueues),
        Box::new(nic_rings::NicRings),
        Box::new(busy_poll::BusyPoll),
        Box::new(somaxconn::Somaxconn),
        Box::new(syn_backlog::SynBacklog),
        Box::new(socket_buffers::SocketBuffers),
        Box::new(huge_pages::HugePages),
        Box::new(overcommit::Overcommit),
        Box::new(swap::Swap),
        Box::new(direct_io::DirectIo),
        Box::new(idle_spin::IdleSpin),
    ]
}
