//! Room: store. Where the heap's chunks come from: regions that are huge pages of the kernel's, made before they are needed.
//! Touches: nothing.
//!
//! Of a store of gigabytes each entry that is touched lies on a page of its own, and with pages of 4 KiB the CPU walks the page
//! tables each time (on a virtual machine the host's too, up to 24 reads). On pages of 2 MiB it does not: one shard answers 1.20
//! as many asks per CPU second, 16 at a time over 4 M keys, and as many or a few more over 100,000. But the first touch of a huge page has
//! to clear it, 6 ms on a virtual machine whose host has to find the memory. So a thread of its own does that when a heap says
//! that it will soon need one; who finds none ready takes small pages from the global allocator.
//!
//! Address space is taken in areas and kept for ever; regions that are given back lose their memory, not their place. Each
//! NUMA node has areas of its own, whose memory the kernel takes from that node, whichever thread touches it first.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

/// Bytes of a region, which is aligned to its size: a huge page of x86-64, and of aarch64 with pages of 4 KiB.
pub const REGION_BYTES: usize = 2 << 20;
/// Regions of an area: few mappings, and no more than 128 MiB of address space at once.
const AREA_REGIONS: usize = 64;
/// Regions that are kept ready at most, however many heaps want one.
const READY_MAX: usize = 16;
/// NUMA nodes that are told apart.
const NODES: usize = 64;

/// Two mebibytes that one heap has.
#[derive(Clone, Copy)]
pub struct Region {
    address: NonNull<u8>,
    node: u8,
}

// SAFETY: a region is memory that nobody else knows of; whoever has the `Region` may use it.
unsafe impl Send for Region {}

impl Region {
    /// What `take` gave at this address for this node.
    ///
    /// # Safety
    /// It was `take` that gave it, and it has not been given back.
    pub unsafe fn from_parts(address: NonNull<u8>, node: u8) -> Region {
        Region { address, node }
    }

    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    pub fn node(&self) -> u8 {
        self.node
    }
}

/// The regions of one NUMA node.
#[derive(Default)]
struct Pool {
    /// Without memory.
    vacant: Vec<Region>,
    /// With memory.
    ready: Vec<Region>,
    /// What heaps have said that they will need.
    wanted: usize,
    /// The kernel gave no address space: it is not asked again before what is vacant is used.
    is_exhausted: bool,
}

impl Pool {
    const fn new() -> Pool {
        Pool { vacant: Vec::new(), ready: Vec::new(), wanted: 0, is_exhausted: false }
    }

    fn is_short(&self) -> bool {
        let can_be_made = !self.is_exhausted || !self.vacant.is_empty();
        can_be_made && self.ready.len() < self.wanted
    }
}

static POOLS: Mutex<[Pool; NODES]> = Mutex::new([const { Pool::new() }; NODES]);
static SHORT: Condvar = Condvar::new();
static IS_ENABLED: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn pools() -> MutexGuard<'static, [Pool; NODES]> {
    POOLS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// From now on heaps of this process get regions. Err: no thread could be had to make them.
pub fn enable() -> std::io::Result<()> {
    if !IS_ENABLED.load(Ordering::Relaxed) {
        std::thread::Builder::new().name("pages".into()).spawn(keep_ready)?;
        IS_ENABLED.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Bytes of regions that heaps have.
pub fn in_use_bytes() -> usize {
    IN_USE.load(Ordering::Relaxed) * REGION_BYTES
}

/// Says that this thread is going to `take` one more.
pub fn expect() {
    if IS_ENABLED.load(Ordering::Relaxed) {
        let pool = &mut pools()[node()];
        pool.wanted = READY_MAX.min(pool.wanted + 1);
        SHORT.notify_one();
    }
}

/// A region with memory, near the calling thread; its bytes are anything. None: there is none ready, or they are not enabled.
pub fn take() -> Option<Region> {
    if !IS_ENABLED.load(Ordering::Relaxed) {
        return None;
    }
    let mut pools = pools();
    let pool = &mut pools[node()];
    pool.wanted = pool.wanted.saturating_sub(1);
    let region = pool.ready.pop();
    IN_USE.fetch_add(region.is_some().into(), Ordering::Relaxed);
    region
}

/// Gives a region back.
///
/// # Safety
/// Nobody uses it afterwards.
pub unsafe fn give(region: Region) {
    let node = region.node as usize;
    let mut pools = pools();
    IN_USE.fetch_sub(1, Ordering::Relaxed);
    if pools[node].is_short() {
        pools[node].ready.push(region);
        return;
    }
    drop(pools);
    // SAFETY: the region is the caller's to give, and mapped; what it held is worth nothing.
    let emptied = unsafe { libc::madvise(region.address.as_ptr().cast(), REGION_BYTES, libc::MADV_DONTNEED) } == 0;
    let pool = &mut self::pools()[node];
    if emptied { pool.vacant.push(region) } else { pool.ready.push(region) }
}

/// The calling thread's NUMA node; 0 where nobody can say.
fn node() -> usize {
    let mut node: libc::c_uint = 0;
    // SAFETY: getcpu(2) writes the number.
    let told = unsafe { libc::syscall(libc::SYS_getcpu, std::ptr::null_mut::<libc::c_uint>(), &raw mut node, 0) };
    if told == 0 { node as usize % NODES } else { 0 }
}

/// The thread: makes regions while some node is short of them.
fn keep_ready() {
    let mut pools = pools();
    loop {
        let Some(node) = pools.iter().position(Pool::is_short) else {
            pools = SHORT.wait(pools).unwrap_or_else(|poisoned| poisoned.into_inner());
            continue;
        };
        let vacant = pools[node].vacant.pop();
        drop(pools);
        let (region, more) = match vacant {
            Some(region) => (Some(region), Vec::new()),
            None => {
                let mut area = area(node);
                (area.pop(), area)
            }
        };
        if let Some(region) = region {
            touch(region);
        }
        pools = self::pools();
        let pool = &mut pools[node];
        pool.is_exhausted = region.is_none();
        pool.ready.extend(region);
        pool.vacant.extend(more);
    }
}

/// New address space, in regions; nothing if there is none to be had.
fn area(node: usize) -> Vec<Region> {
    const AREA_BYTES: usize = AREA_REGIONS * REGION_BYTES;
    // One more, so that they can be aligned.
    let bytes = AREA_BYTES + REGION_BYTES;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping wherever there is room.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Vec::new();
    }
    let start = start.cast::<u8>();
    let first = start.wrapping_add(start.align_offset(REGION_BYTES));
    let nodes = 1u64 << node;
    // SAFETY: both calls are about memory that was mapped above, and `nodes` outlives the one that reads it. Without the first the
    // memory comes from the node of the thread that touches it, without the second in small pages: no reason to do without it.
    unsafe {
        libc::syscall(libc::SYS_mbind, first, AREA_BYTES, libc::MPOL_PREFERRED, &raw const nodes, NODES + 1, 0);
        libc::madvise(first.cast(), AREA_BYTES, libc::MADV_HUGEPAGE);
    }
    (0..AREA_REGIONS)
        .filter_map(|n| NonNull::new(first.wrapping_add(n * REGION_BYTES)))
        .map(|address| Region { address, node: node as u8 })
        .collect()
}

/// Has the kernel put memory there: at the first touch, if it has a huge page, else at each page's.
fn touch(region: Region) {
    const PAGE_BYTES: usize = 4096;
    for at in (0..REGION_BYTES).step_by(PAGE_BYTES) {
        // SAFETY: inside the region, which nobody else has.
        unsafe { region.address.add(at).write_volatile(0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    #[cfg_attr(miri, ignore = "it has no mmap of this kind")]
    fn regions_come_and_go() {
        assert!(take().is_none(), "not enabled");
        enable().expect("a thread");
        let mut regions: Vec<Region> = Vec::new();
        let until = Instant::now() + Duration::from_secs(60);
        while regions.len() < 3 * AREA_REGIONS / 2 {
            assert!(Instant::now() < until, "{} regions in a minute", regions.len());
            expect();
            match take() {
                Some(region) => {
                    let (address, n) = (region.address.as_ptr(), regions.len());
                    assert_eq!(address.align_offset(REGION_BYTES), 0);
                    // SAFETY: the region is this test's.
                    unsafe { address.write_bytes(n as u8, REGION_BYTES) };
                    regions.push(region);
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        assert_eq!(in_use_bytes(), regions.len() * REGION_BYTES);
        for (n, region) in regions.drain(..).enumerate() {
            // SAFETY: as above; nobody uses it after it is given.
            unsafe {
                let bytes = std::slice::from_raw_parts(region.address.as_ptr(), REGION_BYTES);
                assert!(bytes.iter().all(|&byte| byte == n as u8), "region {n} is somebody else's too");
                give(region);
            }
        }
        assert_eq!(in_use_bytes(), 0);
        let ready: usize = pools().iter().map(|pool| pool.ready.len()).sum();
        assert!(ready <= READY_MAX + 1, "{ready} are kept");
        for _ in 0..2 * READY_MAX {
            expect();
        }
        assert!(pools().iter().all(|pool| pool.wanted <= READY_MAX));
    }
}
