//! Room: store. The deadline index: which entries have a deadline, and which comes next. Touches: nothing beyond this crate.
//!
//! A hierarchical timing wheel (Varghese and Lauck, 1987) with ticks of 1 ms: 8 levels of 64 lists cover 48 bits. A node lies at the level of
//! the highest 6-bit digit in which its time differs from the wheel's, in the list of its digit there; when the wheel's
//! time reaches a list above level 0, its nodes move down. Setting, moving and removing take constant time, and no stale
//! record is ever left. Lists are first in, first out. Nodes live in chunks that are freed when they empty; an entry knows its node's number.

/// Times beyond this (year 10889) are kept as this and never come.
pub const WHEN_MAX: u64 = (1 << 48) - 1;
const LEVELS: usize = 8;
const DIGIT_BITS: u32 = 6;
const NONE: u32 = u32::MAX;
/// `Node::prev` of the first node of a list and `Node::next` of its last: this bit and the list's number.
const END: u32 = 1 << 31;
/// `Node::prev` of a node that is nobody's.
const FREE: u32 = u32::MAX;
/// `Node::prev` of a node in use that lies in no list: it will never come.
const IDLE: u32 = u32::MAX - 1;
/// 1 MiB of nodes: freed in large pieces, and allocators waste nothing on them.
const CHUNK_NODES: usize = (1 << 20) / size_of::<Node>();

const _: () = assert!(LEVELS as u32 * DIGIT_BITS == 48);

struct Node {
    /// `table 16 │ when 48`
    when: u64,
    hash: u64,
    prev: u32,
    /// The next of the list; of a free node, the next free one of its chunk, or NONE.
    next: u32,
}

#[derive(Default)]
struct Chunk {
    nodes: Vec<Node>,
    /// First free node (number within the wheel), NONE if there is none.
    free: u32,
    live: u32,
    open: bool,
}

/// What a node says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    pub table: u16,
    pub hash: u64,
    pub when: u64,
}

/// One step of the index's work.
#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    /// This node's time has come; it is out of its list and still in use.
    Due(u32),
    /// A node moved down.
    Moved,
    /// Nothing is left to do at this time.
    Done,
}

pub struct Wheel {
    now: u64,
    heads: [[u32; 64]; LEVELS],
    tails: [[u32; 64]; LEVELS],
    /// Bit d of level l: the list of digit d is not empty.
    busy: [u64; LEVELS],
    chunks: Vec<Chunk>,
    /// Chunks with room, the last of which is used next.
    open: Vec<u32>,
    live: usize,
    /// Bytes of all chunks.
    bytes: usize,
}

impl Wheel {
    pub fn new() -> Wheel {
        Wheel {
            now: 0,
            heads: [[NONE; 64]; LEVELS],
            tails: [[NONE; 64]; LEVELS],
            busy: [0; LEVELS],
            chunks: Vec::new(),
            open: Vec::new(),
            live: 0,
            bytes: 0,
        }
    }

    pub fn live(&self) -> usize {
        self.live
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn node(&self, id: u32) -> &Node {
        &self.chunks[id as usize / CHUNK_NODES].nodes[id as usize % CHUNK_NODES]
    }

    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.chunks[id as usize / CHUNK_NODES].nodes[id as usize % CHUNK_NODES]
    }

    pub fn timer(&self, id: u32) -> Timer {
        let node = self.node(id);
        assert!(node.prev != FREE, "an entry's node is in use");
        Timer { table: (node.when >> 48) as u16, hash: node.hash, when: node.when & WHEN_MAX }
    }

    pub fn is_idle(&self, id: u32) -> bool {
        self.node(id).prev == IDLE
    }

    /// A new timer; its number.
    pub fn add(&mut self, timer: Timer, now_ms: u64) -> u32 {
        if self.live == 0 {
            // Nothing lies in any list, so time may jump.
            self.now = self.now.max(now_ms.min(WHEN_MAX - 1));
        }
        let id = self.take();
        let node = self.node_mut(id);
        node.hash = timer.hash;
        node.when = u64::from(timer.table) << 48;
        node.prev = IDLE;
        self.set(id, timer.when);
        id
    }

    /// Another time for a timer.
    pub fn set(&mut self, id: u32, when: u64) {
        self.unlink(id);
        let node = self.node_mut(id);
        node.when = node.when & !WHEN_MAX | when.min(WHEN_MAX);
        self.link(id);
    }

    /// Takes a timer out of its list: it stays in use and never comes.
    pub fn idle(&mut self, id: u32) {
        self.unlink(id);
    }

    pub fn remove(&mut self, id: u32) {
        self.unlink(id);
        let index = id as usize / CHUNK_NODES;
        let chunk = &mut self.chunks[index];
        let node = &mut chunk.nodes[id as usize % CHUNK_NODES];
        node.prev = FREE;
        node.next = chunk.free;
        chunk.free = id;
        chunk.live -= 1;
        self.live -= 1;
        if !chunk.open {
            chunk.open = true;
            self.open.push(index as u32);
        }
        if chunk.live == 0 && (self.open.len() > 1 || self.live == 0) {
            self.bytes -= chunk.nodes.capacity() * size_of::<Node>();
            chunk.nodes = Vec::new();
            chunk.free = NONE;
        }
    }

    /// A node that is nobody's.
    fn take(&mut self) -> u32 {
        let index = match self.open.last() {
            Some(&index) => index as usize,
            None => {
                self.chunks.push(Chunk { free: NONE, open: true, ..Chunk::default() });
                self.open.push(self.chunks.len() as u32 - 1);
                self.chunks.len() - 1
            }
        };
        let chunk = &mut self.chunks[index];
        chunk.live += 1;
        self.live += 1;
        let id = if chunk.free != NONE {
            let id = chunk.free;
            chunk.free = chunk.nodes[id as usize % CHUNK_NODES].next;
            id
        } else {
            if chunk.nodes.len() == chunk.nodes.capacity() {
                // The first chunk grows from little; later ones are whole at once.
                let more = if index == 0 { chunk.nodes.len().max(16) } else { CHUNK_NODES };
                let before = chunk.nodes.capacity();
                chunk.nodes.reserve_exact(more.min(CHUNK_NODES - chunk.nodes.len()));
                self.bytes += (chunk.nodes.capacity() - before) * size_of::<Node>();
            }
            chunk.nodes.push(Node { when: 0, hash: 0, prev: IDLE, next: NONE });
            let id = index * CHUNK_NODES + chunk.nodes.len() - 1;
            assert!(id < END as usize, "a shard's timers are numbered by 31 bits");
            id as u32
        };
        if chunk.free == NONE && chunk.nodes.len() == CHUNK_NODES {
            chunk.open = false;
            self.open.pop();
        }
        id
    }

    fn link(&mut self, id: u32) {
        // What is late comes at once.
        let when = (self.node(id).when & WHEN_MAX).max(self.now);
        let level = (63 - ((when ^ self.now) | 63).leading_zeros()) / DIGIT_BITS;
        let digit = (when >> (level * DIGIT_BITS)) as usize & 63;
        let level = level as usize;
        let list = END | (level * 64 + digit) as u32;
        let tail = std::mem::replace(&mut self.tails[level][digit], id);
        let prev = if tail == NONE { list } else { tail };
        let node = self.node_mut(id);
        (node.prev, node.next) = (prev, list);
        if tail == NONE {
            self.heads[level][digit] = id;
            self.busy[level] |= 1 << digit;
        } else {
            self.node_mut(tail).next = id;
        }
    }

    fn unlink(&mut self, id: u32) {
        let node = self.node_mut(id);
        let (prev, next) = (std::mem::replace(&mut node.prev, IDLE), node.next);
        assert!(prev != FREE, "a timer is removed once");
        if prev == IDLE {
            return;
        }
        let place = |end: u32| ((end & !END) as usize / 64, end as usize % 64);
        let (first, last) = (prev & END != 0, next & END != 0);
        if first {
            let (level, digit) = place(prev);
            self.heads[level][digit] = if last { NONE } else { next };
            self.busy[level] &= !(u64::from(last) << digit);
        } else {
            self.node_mut(prev).next = next;
        }
        if last {
            let (level, digit) = place(next);
            self.tails[level][digit] = if first { NONE } else { prev };
        } else {
            self.node_mut(next).prev = prev;
        }
    }

    /// The list that comes first: level, digit, and the time at which it begins.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let mut best: Option<(usize, usize, u64)> = None;
        // From above: of lists that begin together, the upper one moves down first.
        for level in (0..LEVELS).rev() {
            if self.busy[level] == 0 {
                continue;
            }
            let shift = level as u32 * DIGIT_BITS;
            let current = (self.now >> shift) as u32 & 63;
            // No list lies behind the wheel's time: a digit below the current one cannot be.
            let digit = current + (self.busy[level] >> current).trailing_zeros();
            debug_assert!(digit < 64);
            let upper = self.now >> shift >> DIGIT_BITS << DIGIT_BITS;
            let begins = (upper | u64::from(digit)) << shift;
            if best.is_none_or(|(_, _, time)| begins < time) {
                best = Some((level, digit as usize, begins));
            }
        }
        best
    }

    /// When the next list begins: no timer comes before it.
    #[inline]
    pub fn next(&self) -> Option<u64> {
        // Each turn asks twice, and mostly there is none.
        if self.busy == [0; LEVELS] {
            return None;
        }
        self.first().map(|(_, _, begins)| begins.max(self.now))
    }

    /// Whether `step` has something to do.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.first().is_some_and(|(_, _, begins)| begins <= now_ms.min(WHEN_MAX - 1))
    }

    /// Goes on to `now_ms`, one node at a time.
    pub fn step(&mut self, now_ms: u64) -> Step {
        let now_ms = now_ms.min(WHEN_MAX - 1);
        match self.first() {
            Some((level, digit, begins)) if begins <= now_ms => {
                self.now = self.now.max(begins);
                let id = self.heads[level][digit];
                self.unlink(id);
                if level == 0 {
                    return Step::Due(id);
                }
                self.link(id);
                Step::Moved
            }
            _ => {
                self.now = self.now.max(now_ms);
                Step::Done
            }
        }
    }

    /// Puts a timer that `step` found due into the index again: it is due at once.
    pub fn put_back(&mut self, id: u32) {
        self.link(id);
    }

    /// Some timers of the list that comes first, at most `max`.
    pub fn soonest(&self, max: usize) -> impl Iterator<Item = u32> + '_ {
        let first = self.first().map_or(NONE, |(level, digit, _)| self.heads[level][digit]);
        let next = move |id: &u32| Some(self.node(*id).next).filter(|&next| next & END == 0);
        std::iter::successors((first != NONE).then_some(first), next).take(max)
    }

    /// The timer in use nearest to `position`, within `tries` numbers. For a random position, a random timer.
    pub fn near(&self, position: u64, tries: usize) -> Option<u32> {
        if self.live == 0 {
            return None;
        }
        let numbers = self.chunks.len() as u64 * CHUNK_NODES as u64;
        let mut id = ((u128::from(position) * u128::from(numbers)) >> 64) as usize;
        for _ in 0..tries {
            let index = id / CHUNK_NODES;
            let nodes = &self.chunks[index].nodes;
            if let Some(node) = nodes.get(id % CHUNK_NODES) {
                if node.prev != FREE && node.prev != IDLE {
                    return Some(id as u32);
                }
                id += 1;
            } else if nodes.is_empty() {
                id = (index + 1) * CHUNK_NODES;
            } else {
                // The last chunk, not full yet: some number that exists.
                id = index * CHUNK_NODES + id % nodes.len();
                continue;
            }
            if id as u64 >= numbers {
                id = 0;
            }
        }
        None
    }

    /// Panics with what is wrong.
    pub fn verify(&self) {
        let mut live = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            let used = chunk.nodes.iter().filter(|n| n.prev != FREE).count();
            assert_eq!(used, chunk.live as usize, "live nodes of a chunk");
            assert_eq!(chunk.open, self.open.contains(&(index as u32)));
            assert!(chunk.open || used == CHUNK_NODES, "a chunk with room is open");
            live += used;
        }
        assert_eq!(live, self.live);
        let mut linked = 0;
        for level in 0..LEVELS {
            for digit in 0..64 {
                let head = self.heads[level][digit];
                assert_eq!(head != NONE, self.busy[level] >> digit & 1 == 1, "a list and its bit");
                let list = END | (level * 64 + digit) as u32;
                let (mut id, mut prev) = (head, list);
                while head != NONE && id != list {
                    let node = self.node(id);
                    assert_eq!(node.prev, prev, "links of a list");
                    let when = (node.when & WHEN_MAX).max(self.now);
                    let shift = level as u32 * DIGIT_BITS;
                    assert_eq!((when >> shift) as usize & 63, digit, "a timer lies at its digit");
                    assert_eq!(when >> shift >> DIGIT_BITS, self.now >> shift >> DIGIT_BITS, "and at its level");
                    (prev, id) = (id, node.next);
                    linked += 1;
                }
                assert_eq!(self.tails[level][digit], if head == NONE { NONE } else { prev }, "a list's last");
            }
        }
        let idle = self.chunks.iter().flat_map(|c| &c.nodes).filter(|n| n.prev == IDLE).count();
        assert_eq!(linked + idle, self.live, "every timer lies in a list or is idle");
    }
}
