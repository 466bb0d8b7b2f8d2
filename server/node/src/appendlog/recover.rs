//! Room: the append log's format. What of the segments in a folder counts after a crash, and in which order it is replayed.

use super::cuts::{self, Shared};
use super::frame::{BLOCK_BYTES, BadHead, FRAME_HEAD_BYTES, FrameHead, HEAD_BYTES_MAX, Head, Next, Reader};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A segment that was looked through.
#[derive(Clone, Debug)]
pub struct Segment {
    pub path: PathBuf,
    /// Of the file.
    pub bytes: u64,
    pub head: Head,
    /// Where its frames begin.
    pub from: u64,
    /// The number that its first record has, by any frame of it, torn or not; None: there is none.
    start: Option<u64>,
    /// The number of its first record; None: it has none.
    first: Option<u64>,
    /// Behind its last record.
    end: u64,
    /// Where its last good frame ends, and whether something stands there that is neither a frame nor zeros.
    pub end_at: u64,
    torn: bool,
    shared: Vec<Shared>,
    /// Up to where its frames say that their stream was on the device: those behind `end_at` too.
    durable: u64,
    /// When its last record was made, Unix ms.
    pub last_ms: u64,
    /// The first record that is younger than what is wanted.
    over: Option<u64>,
}

/// Looks through a segment of so many bytes. None: it was not begun wholly, so nothing is in it. `at_ms`: what is younger is not
/// wanted (Unix ms).
pub fn scan(path: PathBuf, bytes: u64, at_ms: Option<u64>, from: &mut dyn Read) -> Result<Option<Segment>, String> {
    let named = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let mut read = |piece: &mut Vec<u8>, count: usize| -> Result<(), String> {
        piece.clear();
        (&mut *from).take(count as u64).read_to_end(piece).map_err(|e: io::Error| named(&e))?;
        Ok(())
    };
    read(&mut piece, HEAD_BYTES_MAX)?;
    let (head, data_from) = match Head::parse(&piece) {
        Ok(parsed) => parsed,
        Err(BadHead::Torn) => return Ok(None),
        Err(BadHead::Newer(format)) => {
            return Err(named(&format_args!("it has format {format}: a newer Torc has written it")));
        }
        Err(BadHead::Wrong(what)) => return Err(named(&format_args!("{what}, at byte 0"))),
    };
    let salt = head.salt();
    let mut segment = Segment {
        bytes,
        head,
        from: data_from as u64,
        start: None,
        first: None,
        end: 0,
        end_at: data_from as u64,
        torn: false,
        shared: Vec::new(),
        durable: 0,
        last_ms: 0,
        over: None,
        path: path.clone(),
    };
    let mut reader = Reader::new(salt, data_from as u64, bytes);
    reader.feed(&piece[data_from..]);
    loop {
        match reader.read_next() {
            Next::NeedMore => {
                read(&mut piece, PIECE_BYTES)?;
                if piece.is_empty() {
                    return Err(named(&"it became shorter while it was read"));
                }
                reader.feed(&piece);
            }
            Next::Frame(head, records, at) => {
                // One that was written before a write that failed, or a stranger.
                if segment.first.is_some() && head.first != segment.end {
                    segment.torn = true;
                    break;
                }
                segment.first.get_or_insert(head.first);
                for (n, record) in records.enumerate() {
                    let (record, _) =
                        record.map_err(|_| named(&format_args!("its frame at byte {at} holds no records")))?;
                    if record.parties > 1 {
                        let at = head.first + n as u64;
                        segment.shared.push(Shared { at, tx: record.tx, parties: record.parties });
                    }
                    segment.last_ms = segment.last_ms.max(record.unix_ms);
                    if segment.over.is_none() && at_ms.is_some_and(|at_ms| record.unix_ms > at_ms) {
                        segment.over = Some(head.first + n as u64);
                    }
                }
                segment.start.get_or_insert(head.start);
                segment.durable = segment.durable.max(head.durable);
                segment.end = head.first + u64::from(head.records);
                segment.end_at = at + frame_bytes(&head);
            }
            Next::End => break,
        }
    }
    // Behind the end: zeros, what a crash has torn, or, in a damaged file, frames that were on the device.
    let mut rest = reader.rest().to_vec();
    let mut looked = 0;
    loop {
        segment.torn |= rest[looked..].iter().any(|&b| b != 0);
        let mut at = 0;
        while let Some(head) = rest.get(at..at + FRAME_HEAD_BYTES) {
            if let Some(head) = FrameHead::parse(head, salt) {
                segment.start.get_or_insert(head.start);
                segment.durable = segment.durable.max(head.durable);
            }
            at += 8;
        }
        rest.drain(..at);
        looked = rest.len();
        read(&mut piece, PIECE_BYTES)?;
        if piece.is_empty() {
            return Ok(Some(segment));
        }
        rest.extend_from_slice(&piece);
    }
}

fn frame_bytes(head: &FrameHead) -> u64 {
    (FRAME_HEAD_BYTES as u64 + head.bytes).next_multiple_of(8)
}

/// One run's records of one shard.
#[derive(Clone, Default, Debug)]
pub struct Stream {
    pub segments: Vec<Segment>,
    /// Records from this number on do not count.
    pub until: u64,
}

impl Stream {
    /// That count.
    pub fn records(&self) -> u64 {
        let first = self.segments.iter().find_map(|segment| segment.first).unwrap_or(self.until);
        self.until.saturating_sub(first)
    }

    /// The number of its first record, whether it is there or not. Older ones are in a snapshot.
    fn start(&self) -> u64 {
        self.known_start().unwrap_or(0)
    }

    /// None: the first record of its first segment is lost, and so all that follows.
    fn known_start(&self) -> Option<u64> {
        self.segments.first().and_then(|segment| segment.start)
    }

    /// Behind its last record.
    fn end(&self) -> u64 {
        self.segments.iter().rev().find(|segment| segment.first.is_some()).map_or(self.start(), |segment| segment.end)
    }
}

/// All shards' records from one start of the log to its end.
#[derive(Clone, Default, Debug)]
pub struct Run {
    pub run: u64,
    /// By shard.
    pub streams: Vec<Stream>,
}

/// What is to be replayed on top of a snapshot.
#[derive(Clone, Default, Debug)]
pub struct Log {
    /// In order: one is done before the next.
    pub runs: Vec<Run>,
    /// Lines for the log: what was cut off and why.
    pub told: Vec<String>,
}

impl Log {
    pub fn bytes(&self) -> u64 {
        self.segments().map(|segment| segment.bytes).sum()
    }

    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.runs.iter().flat_map(|run| &run.streams).flat_map(|stream| &stream.segments)
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// What the next run says of the one before it.
    pub fn previous(&self) -> (u64, Vec<u64>) {
        self.runs.last().map_or((0, Vec::new()), |run| (run.run, run.streams.iter().map(|s| s.until).collect()))
    }

    /// Whether every stream can be replayed by the shard that it was of.
    pub fn fits(&self, shards: usize) -> bool {
        self.runs.iter().all(|run| run.streams.len() == shards)
    }
}

/// Puts segments together on top of the snapshot `serial` (0: none). `truncated_ok`: torn ends are cut off.
pub fn put_together(segments: Vec<Segment>, serial: u64, truncated_ok: bool) -> Result<Log, String> {
    let mut log = Log::default();
    let mut runs: BTreeMap<u64, BTreeMap<u64, Vec<Segment>>> = BTreeMap::new();
    for segment in segments {
        // Older ones are in the snapshot.
        if segment.head.serial >= serial {
            runs.entry(segment.head.run).or_default().entry(segment.head.serial).or_default().push(segment);
        }
    }
    for (run, sets) in runs {
        if sets.values().flatten().any(|segment| segment.head.base > serial) {
            log.told
                .push(format!("The append log begun with snapshot {run} does not count: that snapshot was not made"));
            continue;
        }
        if let Some(run) = run_of(run, sets)? {
            log.runs.push(run);
        }
    }
    // What a start has found to count is what its run builds on.
    for n in 0..log.runs.len() {
        let head = log.runs[n].streams.iter().flat_map(|stream| &stream.segments).next().map(|s| s.head.clone());
        let Some(head) = head else { continue };
        if n == 0 {
            if head.previous >= serial && head.previous > 0 && log.runs[0].run == head.serial {
                return Err(format!("The append log goes on from run {}, whose files are missing", head.previous));
            }
            continue;
        }
        let before = &mut log.runs[n - 1];
        if head.previous != before.run || head.ends.len() != before.streams.len() {
            return Err(format!("The append log's run {} does not go on from run {}", head.run, before.run));
        }
        for (stream, &end) in before.streams.iter_mut().zip(&head.ends) {
            if stream.end() < end {
                let path = stream.segments.last().map(|segment| segment.path.display().to_string());
                return Err(format!(
                    "{}: it ends before record {end}, which an earlier start has found: it is damaged",
                    path.unwrap_or_default()
                ));
            }
            stream.until = end;
        }
    }
    if let Some(last) = log.runs.last_mut() {
        cut_last(last, truncated_ok, &mut log.told)?;
    }
    // What is younger than what is wanted.
    let over = |stream: &Stream| stream.segments.iter().find_map(|segment| segment.over);
    if let Some(n) = log.runs.iter().position(|run| run.streams.iter().any(|stream| over(stream).is_some())) {
        log.runs.truncate(n + 1);
        let run = &mut log.runs[n];
        run.streams.iter_mut().for_each(|stream| stream.until = over(stream).unwrap_or(u64::MAX).min(stream.until));
        cut_halves(run);
    }
    Ok(log)
}

/// No transaction counts by halves.
fn cut_halves(run: &mut Run) {
    let below = |stream: &Stream| {
        let all = stream.segments.iter().flat_map(|segment| segment.shared.iter().copied());
        all.filter(|shared| shared.at < stream.until).collect::<Vec<Shared>>()
    };
    let shared: Vec<Vec<Shared>> = run.streams.iter().map(below).collect();
    let mut ends: Vec<u64> = run.streams.iter().map(|stream| stream.until).collect();
    cuts::cut(&mut ends, &shared.iter().map(Vec::as_slice).collect::<Vec<_>>());
    run.streams.iter_mut().zip(ends).for_each(|(stream, end)| stream.until = end);
}

/// A run's segments as streams.
fn run_of(run: u64, sets: BTreeMap<u64, Vec<Segment>>) -> Result<Option<Run>, String> {
    let mut streams: Vec<Stream> = Vec::new();
    for (serial, set) in sets {
        let shards = set[0].head.shards as usize;
        let mut places: Vec<Option<Segment>> = vec![None; shards];
        for segment in set {
            let (shard, path) = (segment.head.shard as usize, segment.path.display().to_string());
            if segment.head.shards as usize != shards || places[shard].replace(segment).is_some() {
                return Err(format!("{path}: it contradicts the other segments of serial {serial}"));
            }
        }
        if let Some(missing) = places.iter().position(Option::is_none) {
            if places.iter().flatten().any(|segment| segment.first.is_some()) {
                return Err(format!("The append log's segment {serial} of shard {missing} is missing"));
            }
            // Nobody wrote to it before it was there whole.
            continue;
        }
        if streams.is_empty() {
            streams.resize_with(shards, Stream::default);
        }
        if streams.len() != shards {
            return Err(format!("The append log's run {run} has segments of {shards} shards and of {}", streams.len()));
        }
        for (stream, segment) in streams.iter_mut().zip(places.into_iter().flatten()) {
            stream.segments.push(segment);
        }
    }
    Ok((!streams.is_empty()).then_some(Run { run, streams }))
}

/// Of the last run what was torn does not count, nor what depends on it.
fn cut_last(run: &mut Run, truncated_ok: bool, told: &mut Vec<String>) -> Result<(), String> {
    for stream in &mut run.streams {
        let durable = match stream.known_start() {
            Some(_) => stream.segments.iter().map(|segment| segment.durable).max().unwrap_or(0),
            // What is older is in a snapshot. That nothing was lost before it is what no segment may say.
            None => {
                let says = |segment: &&Segment| segment.start.is_some_and(|start| segment.durable >= start);
                stream.segments.iter().find(says).map_or(0, |segment| segment.durable)
            }
        };
        let mut end = stream.start();
        let mut kept = stream.segments.len();
        for (n, segment) in stream.segments.iter().enumerate() {
            match segment.first {
                // The end of the segment before is lost.
                Some(first) if first != end => {
                    kept = n;
                    break;
                }
                Some(_) => end = segment.end,
                None => {}
            }
            if segment.torn {
                kept = n + 1;
                break;
            }
        }
        let last = &stream.segments[kept.max(1) - 1];
        let place = format!("{}: byte {}", last.path.display(), last.end_at);
        if durable > end {
            return Err(format!(
                "{place}: the append log is damaged: what was on the device behind this is not whole, or missing. With \
                 'appendonly no' the server starts from its last snapshot; 'torc restore --at' keeps what is before"
            ));
        }
        if stream.segments[..kept].iter().any(|segment| segment.torn) || kept < stream.segments.len() {
            if !truncated_ok {
                return Err(format!("{place}: the append log's end is torn, and aof-load-truncated is no"));
            }
            told.push(format!("{place}: the append log's end is torn: cut off there"));
        }
        for segment in &mut stream.segments[kept..] {
            (segment.first, segment.end) = (None, 0);
            segment.shared.clear();
        }
        stream.until = end;
    }
    let found: Vec<u64> = run.streams.iter().map(|stream| stream.until).collect();
    cut_halves(run);
    for (stream, found) in run.streams.iter().zip(found) {
        if stream.until < found {
            let path = stream.segments.last().map(|segment| segment.path.display().to_string()).unwrap_or_default();
            told.push(format!(
                "{path}: {} records do not count: they come with or after a command over several shards that is not whole",
                found - stream.until
            ));
        }
    }
    Ok(())
}

const _: () = assert!(HEAD_BYTES_MAX.is_multiple_of(BLOCK_BYTES));

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;
    use crate::engine::effects::Record;

    fn head(serial: u64, run: u64, shard: u32, shards: u32) -> Head {
        Head { serial, run, base: 0, began_ms: 0, shard, shards, previous: 0, ends: Vec::new() }
    }

    /// A segment of frames of one record each: (transaction, parties), and up to where each says that it is durable.
    fn segment(head: &Head, first: u64, records: &[(u64, u32, u64)]) -> Vec<u8> {
        let mut bytes = head.draw();
        for (n, &(tx, parties, durable)) in records.iter().enumerate() {
            let record = Record { unix_ms: 1000 + n as u64, tx, parties, len: 4 };
            let record = std::iter::once((record, &b"tell"[..]));
            frame::write(&mut bytes, head.salt(), first + n as u64, durable, first, record);
        }
        bytes
    }

    fn scanned(head: &Head, bytes: &[u8]) -> Segment {
        let name = format!("log-{}-{}", head.serial, head.shard);
        scan(name.into(), bytes.len() as u64, None, &mut &bytes[..]).expect("it can be read").expect("it has a head")
    }

    fn ends(log: &Log) -> Vec<Vec<u64>> {
        log.runs.iter().map(|run| run.streams.iter().map(|stream| stream.until).collect()).collect()
    }

    #[test]
    fn torn_ends_are_cut_and_damage_is_refused() {
        let one = head(3, 3, 0, 1);
        let bytes = segment(&one, 0, &[(0, 0, 0), (0, 0, 0), (0, 0, 2), (0, 0, 2)]);
        let frame = (bytes.len() - 4096) / 4;
        for cut in 4096..=bytes.len() {
            let found = put_together(vec![scanned(&one, &bytes[..cut])], 0, true);
            let records = ((cut - 4096) / frame) as u64;
            let log = found.unwrap_or_else(|e| panic!("{cut}: {e}"));
            // Of a frame the zeros at its end may be missing.
            assert!(ends(&log)[0][0] == records || ends(&log)[0][0] == records + 1, "{cut}: {log:?}");
            let strict = put_together(vec![scanned(&one, &bytes[..cut])], 0, false);
            assert_eq!(strict.is_err(), !log.told.is_empty(), "{cut}");
        }
        // Zeros behind are none of it.
        let mut zeroed = bytes.clone();
        zeroed.extend_from_slice(&[0; 9000]);
        let log = put_together(vec![scanned(&one, &zeroed)], 0, false).expect("it is whole");
        assert_eq!((ends(&log), log.told.len()), (vec![vec![4]], 0));
        // The third frame says that two were on the device.
        for (broken, refused) in [(0, true), (1, true), (2, false), (3, false)] {
            let mut other = zeroed.clone();
            other[4096 + broken * frame + FRAME_HEAD_BYTES + 1] ^= 1;
            let found = put_together(vec![scanned(&one, &other)], 0, true);
            assert_eq!(found.is_err(), refused, "{broken}: {found:?}");
            match found {
                Err(e) => assert!(e.contains(&format!("log-3-0: byte {}", 4096 + broken * frame)), "{e}"),
                Ok(log) => assert_eq!(ends(&log), vec![vec![broken as u64]]),
            }
        }
    }

    #[test]
    fn a_command_over_shards_counts_where_all_of_it_is_there() {
        let (a, b) = (head(1, 1, 0, 2), head(1, 1, 1, 2));
        let at_a = segment(&a, 0, &[(0, 0, 0), (7, 2, 0), (0, 0, 0), (8, 2, 0)]);
        let records = [(8, 2, 0), (0, 0, 0), (7, 2, 0), (0, 0, 0)];
        for (kept, expected) in [(4, [4, 4]), (3, [4, 3]), (2, [1, 0]), (1, [1, 0]), (0, [1, 0])] {
            let cut = segment(&b, 0, &records[..kept]);
            let log = put_together(vec![scanned(&a, &at_a), scanned(&b, &cut)], 0, true).expect("it is torn at most");
            assert_eq!(ends(&log), vec![expected.to_vec()], "{kept}");
        }
    }

    #[test]
    fn streams_go_on_from_segment_to_segment() {
        let (old, new) = (head(1, 1, 0, 1), head(2, 1, 0, 1));
        let first = segment(&old, 0, &[(0, 0, 0), (0, 0, 0), (0, 0, 0)]);
        let second = segment(&new, 3, &[(0, 0, 0), (0, 0, 0)]);
        let whole = || vec![scanned(&old, &first), scanned(&new, &second)];
        assert_eq!(ends(&put_together(whole(), 0, false).unwrap()), [[5]]);
        assert_eq!(ends(&put_together(whole(), 2, false).unwrap()), [[5]], "the first is in the snapshot");
        assert!(put_together(whole(), 3, false).unwrap().is_empty());
        // The end of the first is lost: the second is nothing by itself.
        let torn = vec![scanned(&old, &first[..first.len() - 20]), scanned(&new, &second)];
        let log = put_together(torn.clone(), 0, true).unwrap();
        assert_eq!((ends(&log)[0][0], log.told.len()), (2, 1));
        assert_eq!(ends(&put_together(torn, 2, true).unwrap()), [[5]]);
        // What of the first is in the snapshot need not be there, whatever is lost of the second.
        let beside = segment(&new, 3, &[(0, 0, 3), (0, 0, 4)]);
        let second_at = 4096 + (beside.len() - 4096) / 2;
        for lost in 4097..beside.len() {
            let mut other = beside.clone();
            other[4096..lost].fill(0);
            let log = put_together(vec![scanned(&new, &other)], 2, true);
            // The second frame says that the first was on the device.
            assert_eq!(log.is_err(), lost <= second_at, "{lost}: {log:?}");
        }
        // Unless it was on the device: then it was there.
        let sure = segment(&new, 3, &[(0, 0, 3)]);
        assert!(put_together(vec![scanned(&old, &first[..first.len() - 20]), scanned(&new, &sure)], 0, true).is_err());
    }

    /// Where the segment that a snapshot goes on with has no record, not even its first, nothing behind it was sure: unless
    /// it says that it was.
    #[test]
    fn what_comes_behind_a_lost_segment_does_not_count() {
        let (lost, next) = (head(2, 1, 0, 1), head(3, 1, 0, 1));
        for (durable, refused) in [(0, false), (2, false), (6, false), (7, true), (8, true)] {
            let behind = segment(&next, 7, &[(0, 0, durable)]);
            let found = put_together(vec![scanned(&lost, &lost.draw()), scanned(&next, &behind)], 2, true);
            assert_eq!(found.is_err(), refused, "{durable}: {found:?}");
            if let Ok(log) = found {
                assert_eq!((ends(&log), log.told.len()), (vec![vec![0]], 1));
            }
        }
        // The next run builds on that, and finds it again.
        let behind = segment(&next, 7, &[(0, 0, 2)]);
        let later = Head { previous: 1, ends: vec![0], ..head(4, 4, 0, 1) };
        let whole =
            [scanned(&lost, &lost.draw()), scanned(&next, &behind), scanned(&later, &segment(&later, 0, &[(0, 0, 0)]))];
        assert_eq!(ends(&put_together(whole.to_vec(), 2, true).unwrap()), [[0], [1]]);
    }

    #[test]
    fn runs_go_on_where_a_start_has_found_the_end() {
        let old = head(1, 1, 0, 1);
        let new = Head { previous: 1, ends: vec![2], ..head(4, 4, 0, 1) };
        let first = segment(&old, 0, &[(0, 0, 0), (0, 0, 0), (0, 0, 0)]);
        let second = segment(&new, 0, &[(0, 0, 0)]);
        let log = put_together(vec![scanned(&old, &first), scanned(&new, &second)], 0, true).unwrap();
        assert_eq!(ends(&log), [[2], [1]], "what was cut off then stays so");
        assert_eq!(log.previous(), (4, vec![1]));
        for (segments, what) in [
            (vec![scanned(&new, &second)], "files are missing"),
            (vec![scanned(&old, &first[..4096]), scanned(&new, &second)], "ends before record 2"),
            (
                {
                    let other = Head { previous: 2, ..new.clone() };
                    vec![scanned(&old, &first), scanned(&other, &segment(&other, 0, &[(0, 0, 0)]))]
                },
                "does not go on",
            ),
        ] {
            let refused = put_together(segments, 0, true);
            assert!(refused.as_ref().is_err_and(|e| e.contains(what)), "{what}: {refused:?}");
        }
        assert_eq!(ends(&put_together(vec![scanned(&new, &second)], 2, true).unwrap()), [[1]]);
        // A run that begins with a snapshot which was never made.
        let based = Head { base: 4, previous: 0, ends: vec![], ..new };
        let log =
            put_together(vec![scanned(&old, &first), scanned(&based, &segment(&based, 0, &[(0, 0, 0)]))], 0, true);
        assert_eq!(ends(&log.unwrap()), [[3]]);
        // A segment of which only some shards had theirs.
        let half = head(5, 1, 0, 2);
        let empty = vec![scanned(&old, &first), scanned(&half, &segment(&half, 3, &[]))];
        assert_eq!(ends(&put_together(empty, 0, true).unwrap()), [[3]]);
        let missing = vec![scanned(&half, &segment(&half, 0, &[(0, 0, 0)]))];
        assert!(put_together(missing, 0, true).is_err());
    }
}
