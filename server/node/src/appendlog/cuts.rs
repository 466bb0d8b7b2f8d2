//! Room: the append log's format. The longest beginnings of all streams that hold every transaction wholly or not at all.

use std::collections::HashMap;

/// A record of a transaction over several shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shared {
    /// Its number in its stream.
    pub at: u64,
    pub tx: u64,
    /// On how many shards the transaction leaves one.
    pub parties: u32,
}

/// Lowers `ends`, one a stream, until no transaction is in one stream and out of another. `shared`: by stream, in order; each
/// below its stream's end.
///
/// There is one largest answer: whatever is cut off must be, for the transaction that begins it cannot be whole. Each record is
/// looked at once.
pub fn cut(ends: &mut [u64], shared: &[&[Shared]]) {
    let mut places: HashMap<u64, (u32, Vec<(usize, u64)>)> = HashMap::new();
    for (stream, records) in shared.iter().enumerate() {
        for record in *records {
            let (_, places) = places.entry(record.tx).or_insert((record.parties, Vec::new()));
            places.push((stream, record.at));
        }
    }
    let halves = places.values().filter(|(parties, places)| places.len() < *parties as usize);
    let mut lower: Vec<(usize, u64)> = halves.flat_map(|(_, places)| places.iter().copied()).collect();
    while let Some((stream, at)) = lower.pop() {
        if at >= ends[stream] {
            continue;
        }
        let records = shared[stream];
        let from = records.partition_point(|record| record.at < at);
        let to = records.partition_point(|record| record.at < ends[stream]);
        ends[stream] = at;
        for record in &records[from..to] {
            lower.extend(places[&record.tx].1.iter().filter(|place| place.0 != stream));
        }
    }
}

/// What is on the device of all streams while they are written, and how much of it would be found after a crash.
#[derive(Default, Debug)]
pub struct Ledger {
    ends: Vec<u64>,
    /// Not yet below `sure`.
    shared: Vec<Vec<Shared>>,
    sure: Vec<u64>,
}

impl Ledger {
    pub fn new(streams: usize) -> Ledger {
        Ledger { ends: vec![0; streams], shared: vec![Vec::new(); streams], sure: vec![0; streams] }
    }

    /// A stream begins anew at this number.
    pub fn begin(&mut self, stream: usize, at: u64) {
        self.ends[stream] = at;
        self.sure[stream] = at;
        self.shared[stream].clear();
    }

    /// A stream is on the device up to `end`; among what is new are these.
    pub fn reached(&mut self, stream: usize, end: u64, new: impl IntoIterator<Item = Shared>) {
        self.ends[stream] = end;
        self.shared[stream].extend(new);
        let mut sure = self.ends.clone();
        let shared: Vec<&[Shared]> = self.shared.iter().map(Vec::as_slice).collect();
        cut(&mut sure, &shared);
        for (stream, records) in self.shared.iter_mut().enumerate() {
            let done = records.partition_point(|record| record.at < sure[stream]);
            records.drain(..done);
        }
        self.sure = sure;
    }

    /// Up to where each stream is sure to be found.
    pub fn sure(&self) -> &[u64] {
        &self.sure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    /// Cuts at one transaction that is not whole after the other.
    fn slowly(ends: &mut [u64], shared: &[Vec<Shared>]) {
        loop {
            let inside =
                |tx: u64| (0..ends.len()).filter(|&s| shared[s].iter().any(|r| r.tx == tx && r.at < ends[s])).count();
            let half = (0..ends.len()).find_map(|s| {
                Some((s, shared[s].iter().find(|r| r.at < ends[s] && inside(r.tx) < r.parties as usize)?))
            });
            match half {
                Some((stream, record)) => ends[stream] = record.at,
                None => return,
            }
        }
    }

    /// Streams with transactions over some of them, in any order, whose ends are lost anywhere.
    fn streams(seed: &mut u64) -> (Vec<u64>, Vec<Vec<Shared>>) {
        let count = 2 + random(seed) as usize % 3;
        let (mut at, mut all) = (vec![0u64; count], vec![Vec::new(); count]);
        for tx in 1..=random(seed) % 12 {
            let parties: Vec<usize> = (0..count).filter(|_| !random(seed).is_multiple_of(3)).collect();
            if parties.len() < 2 {
                continue;
            }
            for &stream in &parties {
                at[stream] += random(seed) % 3;
                all[stream].push(Shared { at: at[stream], tx, parties: parties.len() as u32 });
                at[stream] += 1;
            }
        }
        // Transactions on different keys come in any order: neighbours are exchanged.
        for stream in &mut all {
            for i in 1..stream.len() {
                if random(seed).is_multiple_of(3) {
                    let (a, b) = (stream[i - 1].tx, stream[i].tx);
                    let parties = (stream[i - 1].parties, stream[i].parties);
                    (stream[i - 1].tx, stream[i].tx) = (b, a);
                    (stream[i - 1].parties, stream[i].parties) = (parties.1, parties.0);
                }
            }
        }
        (at, all)
    }

    #[test]
    fn cuts_are_those_of_the_slow_twin() {
        for first in 1..2000u64 {
            let mut seed = first.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (mut ends, mut all) = streams(&mut seed);
            for (end, records) in ends.iter_mut().zip(&mut all) {
                *end = random(&mut seed) % (*end + 1);
                records.retain(|record| record.at < *end);
            }
            let mut slow = ends.clone();
            slowly(&mut slow, &all);
            cut(&mut ends, &all.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(ends, slow, "seed {first}: {all:?}");
        }
    }

    /// What a ledger calls sure only grows, and is there whatever part of the rest a crash takes.
    #[test]
    fn what_is_sure_is_found_after_any_crash() {
        for first in 1..1000u64 {
            let mut seed = first.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (ends, all) = streams(&mut seed);
            let mut ledger = Ledger::new(ends.len());
            let mut reached = vec![0u64; ends.len()];
            for _ in 0..20 {
                let stream = random(&mut seed) as usize % ends.len();
                let end = reached[stream] + random(&mut seed) % (ends[stream] - reached[stream] + 1);
                let new = all[stream].iter().filter(|r| (reached[stream]..end).contains(&r.at)).copied();
                let before = ledger.sure().to_vec();
                ledger.reached(stream, end, new);
                reached[stream] = end;
                assert!(ledger.sure().iter().zip(&before).all(|(now, then)| now >= then), "seed {first}");
                // A crash leaves what was reached, and of the rest anything.
                let mut left: Vec<u64> =
                    (0..ends.len()).map(|s| reached[s] + random(&mut seed) % (ends[s] - reached[s] + 1)).collect();
                let found: Vec<Vec<Shared>> = all
                    .iter()
                    .zip(&left)
                    .map(|(records, end)| records.iter().filter(|r| r.at < *end).copied().collect())
                    .collect();
                cut(&mut left, &found.iter().map(Vec::as_slice).collect::<Vec<_>>());
                assert!(left.iter().zip(ledger.sure()).all(|(left, sure)| left >= sure), "seed {first}");
            }
            for stream in 0..ends.len() {
                let new = all[stream].iter().filter(|r| (reached[stream]..ends[stream]).contains(&r.at)).copied();
                ledger.reached(stream, ends[stream], new);
            }
            assert_eq!(ledger.sure(), ends, "seed {first}: all is there in the end");
        }
    }
}
