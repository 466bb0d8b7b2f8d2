//! What the parsers' fuzz test and its long-running example share: streams made and mangled from a seed, each parsed whole,
//! in pieces, byte by byte, and by an obvious parser. All four have to see the same.

pub mod memcache;
pub mod resp;

/// xorshift64*: small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Mostly short, sometimes long.
    pub fn length(&mut self) -> usize {
        match self.below(40) {
            0 => self.below(70_000),
            1..4 => self.below(3000),
            4..10 => self.below(300),
            _ => self.below(20),
        }
    }

    pub fn bytes(&mut self, len: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..len).map(|_| self.pick(alphabet)).collect()
    }
}

/// Damage of the kinds that networks, clients and attackers do.
pub fn mangle(rng: &mut Rng, stream: &mut Vec<u8>) {
    const SPECIAL: &[u8] = b"\r\n\0*$ -+0123456789\"'\\x\x80\xff\t\x0b";
    for _ in 0..rng.below(4) {
        if stream.is_empty() {
            return;
        }
        let at = rng.below(stream.len());
        match rng.below(5) {
            0 => stream[at] = rng.pick(SPECIAL),
            1 => stream.insert(at, rng.pick(SPECIAL)),
            2 => {
                stream.remove(at);
            }
            3 => {
                let end = (at + rng.below(20)).min(stream.len());
                let piece = stream[at..end].to_vec();
                let to = rng.below(stream.len());
                stream.splice(to..to, piece);
            }
            _ => stream.truncate(at.max(stream.len() / 2)),
        }
    }
}

/// Where to cut a stream into reads. `style` 0: whole; 1: every byte; else: pieces.
pub fn cuts(rng: &mut Rng, len: usize, style: usize) -> Vec<usize> {
    match style {
        0 => vec![len],
        1 => (1..=len).collect(),
        _ => {
            let (mut cuts, mut at) = (Vec::new(), 0);
            let most = rng.pick(&[3, 20, 200, 20_000]);
            while at < len {
                at = (at + 1 + rng.below(most)).min(len);
                cuts.push(at);
            }
            cuts
        }
    }
}

/// One seed's streams through all ways; what kinds of outcome they had. Panics with the seed in the message when they differ.
pub fn run(seed: u64) -> Vec<String> {
    let mut kinds = resp::run(seed);
    kinds.extend(memcache::run(seed));
    kinds
}

/// Panics at the first difference.
pub fn compare<T: PartialEq + std::fmt::Debug>(seen: &[T], expected: &[T], what: impl Fn() -> String) {
    let same = seen.iter().zip(expected).take_while(|(a, b)| a == b).count();
    if same < seen.len().max(expected.len()) {
        let short = |t: Option<&T>| {
            format!("{t:?}").chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect::<String>()
        };
        panic!("{}: outcome {same} is {}, expected {}", what(), short(seen.get(same)), short(expected.get(same)));
    }
}
