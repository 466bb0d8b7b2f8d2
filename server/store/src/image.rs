//! Room: store. An image: the store as it was at one moment, as RDB records, written in small steps while everything goes on.
//! Touches: base.
//!
//! Every entry has a bit in its header, its *mark*, and the heap has the one that new entries get. To begin an image is to flip
//! that one: whatever has the other mark was there at that moment and is still to be written, whatever has this one need not
//! be. A walk over the tables in hash order writes entries and gives them the present mark; whoever is about to change or
//! remove an entry has it written first (`image_first`, `image_leaving`). So an entry is written exactly once, nothing has to be
//! remembered, and a key that nobody changes costs what the walk costs. While no image runs all entries have the
//! present mark.
//!
//! What is written early waits in a buffer until the next step. That is bounded: beyond `EARLY_BYTES_MAX` `image_wants` asks that
//! writers of unwritten keys wait until the key is written in its turn.
//!
//! A large value may take seconds to write. The walk only names it (`Step::Large`); the caller sees to it that nobody changes it
//! and has it written piece by piece (`image_piece`). Of an object that is to be removed nothing is written first: it is
//! itself kept until it is written.
//!
//! Tables are known by number, so neither SWAPDB nor a flush matters: a flushed table is not freed before it is written.

use crate::entry::{MARK, Ref};
use crate::object::Object;
use crate::rdb::file::write as frame;
use crate::rdb::file::{Age, Head};
use crate::rdb::{Progress, Tools, Writer, parts, write};
use crate::store::Store;
use crate::table::{Ground, Spot};
use crate::{age, fields};
use base::{DbId, Out};
use bytes::Bytes;
use std::collections::VecDeque;

/// Objects of more weight than this are written in pieces, some 50 µs.
const WEIGHT_MAX: usize = 1_000;
/// So are those of more bytes.
const BYTES_MAX: usize = 1 << 16;
/// And longer strings, compressed or by copies, so that whoever changes one later need not copy it whole at once. Others are
/// compressed at once or lent.
const TEXT_BYTES_MAX: usize = write::COMPRESSED_BYTES_MAX;
/// Slots that one step passes: where everything is written already there is nothing else to stop it.
const SLOTS_A_STEP: usize = 4_096;
/// What was written early is handed out in blocks of about this size.
const BLOCK_BYTES: usize = 1 << 16;
/// What may wait in the buffer of what was written early before writers have to wait: what some 100,000 changes a second leave
/// behind while a device stalls for a second.
const EARLY_BYTES_MAX: usize = 16 << 20;

/// What is told of how long a key was not used, or how often it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ages {
    #[default]
    None,
    /// Under LRU policies.
    Idle,
    /// Under LFU policies.
    Frequency,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ImageOptions {
    /// `rdbcompression`
    pub compress: bool,
    pub ages: Ages,
}

/// Records of an image, in order. A record may begin in one and end in the next.
#[derive(Default, Debug)]
pub struct ImageOut {
    pub out: Out,
    /// Keys whose records end here.
    pub keys: u64,
}

/// What is left of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    More,
    /// This key is to be written by `image_piece`, while nobody changes it. Until then the image stands still.
    Large {
        db: DbId,
        key: Box<[u8]>,
    },
    /// Everything is written.
    Done,
}

/// A table as it is written.
struct Part {
    table: u16,
    db: DbId,
    keys: u64,
    deadlines: u64,
    /// Its size has been written.
    told: bool,
}

/// What is written of an entry beside its value.
pub(crate) struct Facts {
    /// Index in `Image::parts`.
    part: usize,
    key: Box<[u8]>,
    deadline: Option<u64>,
    age: Age,
    flags: u32,
    version: Option<u64>,
}

/// Where a value is that is being written in pieces.
enum Source {
    Entry {
        table: u16,
        hash: u64,
        key: Box<[u8]>,
    },
    /// Its entry is gone.
    Kept(Box<Object>),
    /// A string that its entry has no more.
    Text(Bytes),
    /// What its entry has no more is with the progress (`parts::Long`).
    Apart,
}

struct Piece {
    source: Source,
    progress: Progress,
}

/// What becomes of an object whose entry is about to go.
pub(crate) enum Leaving {
    /// It is to be freed.
    Free,
    /// It is to be written.
    Unwritten(Box<Facts>),
    /// It is being written.
    Piece,
}

pub(crate) struct Image {
    began_ms: u64,
    ages: Ages,
    /// By number of the table.
    parts: Vec<Part>,
    /// Which of them the walk is in, and where.
    at: usize,
    cursor: u64,
    /// The database of what was written last.
    db: Option<DbId>,
    /// What was written early, in blocks.
    early: VecDeque<ImageOut>,
    early_bytes: usize,
    tools: Tools,
    /// Large objects whose entries are gone.
    kept: VecDeque<(Facts, Box<Object>)>,
    piece: Option<Piece>,
}

/// What is left to be marked of an image that was given up.
pub(crate) struct Remarking {
    tables: Vec<u16>,
    cursor: u64,
}

/// Whether a value is written in pieces.
pub(crate) fn is_large(raw: Ref<'_>) -> bool {
    match raw.object() {
        Some(object) => object.weight() > WEIGHT_MAX || object.allocated() > BYTES_MAX,
        None => raw.shared().is_some_and(|text| text.len() > TEXT_BYTES_MAX),
    }
}

/// Goes on writing a value.
fn go_on(progress: Progress, raw: Ref<'_>, ground: &Ground, to: &mut Writer<'_>, upto: usize) -> Progress {
    match (raw.object(), raw.shared(), progress) {
        (Some(object), _, progress) => parts::go_on(progress, object, ground, to, upto),
        (None, Some(text), progress) => parts::go_on_text(progress, text, to, upto),
        (None, None, _) => unreachable!("only what is large is written in pieces"),
    }
}

impl Image {
    fn part_of(&self, table: u16) -> usize {
        self.parts
            .binary_search_by_key(&table, |part| part.table)
            .expect("only what was there at the beginning is unwritten")
    }

    /// Whether the walk has still to pass through this table.
    pub fn holds(&self, table: u16) -> bool {
        self.parts[self.at..].binary_search_by_key(&table, |part| part.table).is_ok()
    }

    /// Whether an entry with this hash may be unwritten.
    pub fn may_be_unwritten(&self, table: u16, hash: u64) -> bool {
        let here = self.parts.get(self.at).is_some_and(|part| part.table == table);
        self.holds(table) && (!here || hash >> 16 >= self.cursor)
    }

    /// Objects that are to be freed in the end.
    pub fn is_keeping(&self) -> bool {
        !self.kept.is_empty() || matches!(self.piece, Some(Piece { source: Source::Kept(_), .. }))
    }

    /// Whether there was such an entry at all at the moment of the image.
    fn was_there(&self, raw: Ref<'_>) -> bool {
        raw.deadline().is_none_or(|deadline| deadline > self.began_ms) && !fields::is_over(raw, self.began_ms)
    }

    fn is_piece(&self, table: u16, key: &[u8]) -> bool {
        matches!(&self.piece, Some(Piece { source: Source::Entry { table: mine, key: name, .. }, .. })
            if *mine == table && **name == *key)
    }

    fn age(&self, raw: Ref<'_>, ground: &Tell<'_>) -> Age {
        match self.ages {
            Ages::None => Age::Unknown,
            Ages::Idle => {
                // What was used since has a clock that is ahead.
                let idle_ms = age::idle_ms(raw.age(), self.began_ms);
                Age::Idle(if idle_ms > age::IDLE_MS_MAX / 2 { 0 } else { idle_ms / 1000 })
            }
            Ages::Frequency => Age::Frequency(age::frequency(ground.decay_minutes, raw.age(), self.began_ms)),
        }
    }

    /// What comes before a record, if it is in another database than the last one.
    #[inline]
    fn select(&mut self, part: usize, out: &mut Vec<u8>) {
        let part = &mut self.parts[part];
        if self.db != Some(part.db) {
            self.db = Some(part.db);
            frame::select(out, part.db);
            if !part.told {
                part.told = true;
                frame::resize(out, part.keys, part.deadlines);
            }
        }
    }

    /// Appends the record of an entry.
    #[inline]
    fn record(&mut self, part: usize, raw: Ref<'_>, tell: &Tell<'_>, out: &mut Out) {
        self.select(part, &mut out.bytes);
        let head = Head {
            key: raw.key(),
            deadline: raw.deadline(),
            age: self.age(raw, tell),
            flags: raw.flags(),
            version: raw.version(),
        };
        frame::entry_head(&mut out.bytes, &head, write::type_of(raw), self.tools.lzf.as_mut());
        write::body(raw, tell.ground, &mut self.writer(out));
    }

    fn writer<'a>(&'a mut self, out: &'a mut Out) -> Writer<'a> {
        Writer { out: &mut out.bytes, shared: Some(&mut out.shared), tools: &mut self.tools }
    }

    /// Lets `write` append something to what is written early.
    fn early(&mut self, write: impl FnOnce(&mut Image, &mut ImageOut)) {
        let mut block = match self.early.pop_back() {
            Some(block) if block.out.bytes.len() < BLOCK_BYTES => block,
            full => {
                self.early.extend(full);
                let mut block = ImageOut::default();
                block.out.bytes.reserve(BLOCK_BYTES + BLOCK_BYTES / 8);
                block
            }
        };
        let before = block.out.bytes.len();
        let lent = self.tools.lent_bytes;
        write(self, &mut block);
        // What is lent is counted too: its entry is about to let go of it.
        self.early_bytes += block.out.bytes.len() - before + (self.tools.lent_bytes - lent);
        self.early.push_back(block);
    }

    /// Moves what was written early to `out`, up to a little more than its `upto` bytes.
    fn drain(&mut self, out: &mut ImageOut, upto: usize) {
        while out.out.bytes.len() + self.tools.lent_bytes < upto
            && let Some(mut block) = self.early.pop_front()
        {
            let lent: usize = block.out.shared.iter().map(|(_, value)| value.len()).sum();
            self.early_bytes -= block.out.bytes.len() + lent;
            self.tools.lent_bytes += lent;
            out.out.append(&mut block.out);
            out.keys += block.keys;
        }
    }

    /// Writes what is left of the value that is being written in pieces, which is this entry's, in front of what was written early.
    /// Strings that are being compressed are kept, and go on.
    fn finish_piece(&mut self, raw: Ref<'_>, ground: &Ground) {
        let Some(Piece { mut progress, .. }) = self.piece.take() else { return };
        if let (Progress::Packing(_) | Progress::Start, Some(text)) = (&progress, raw.shared()) {
            self.piece = Some(Piece { source: Source::Text(text.clone()), progress });
            return;
        }
        if let Progress::Long(long) = &mut progress {
            let (mut then, mut bytes) = (long.cut_off(), Vec::new());
            while !then.is_whole() {
                let mut to = Writer { out: &mut bytes, shared: None, tools: &mut self.tools };
                then = go_on(then, raw, ground, &mut to, usize::MAX / 2);
            }
            long.append(&bytes);
            self.piece = Some(Piece { source: Source::Apart, progress });
            return;
        }
        let mut rest = ImageOut { keys: 1, ..ImageOut::default() };
        if let (Progress::Text(at), Some(text)) = (&progress, raw.shared()) {
            rest.out.lend(text.slice(at..));
            progress = Progress::Whole;
        }
        while !progress.is_whole() {
            progress = go_on(progress, raw, ground, &mut self.writer(&mut rest.out), usize::MAX / 2);
        }
        self.early_bytes += rest.out.len();
        self.early.push_front(rest);
    }
}

/// What records are written with, beside the entry.
struct Tell<'a> {
    ground: &'a Ground,
    decay_minutes: u32,
}

impl Store {
    /// Begins an image of the store as it is now. Panics if one runs. Where one was given up a moment ago (`image_is_ready`) it
    /// takes the time to look at every entry first.
    pub fn begin_image(&mut self, now_ms: u64, options: ImageOptions) {
        assert!(self.image.is_none(), "one image at a time");
        while self.remark(usize::MAX) {}
        let mut parts: Vec<Part> = Vec::new();
        for (db, &table) in self.dbs.iter().enumerate() {
            let entries = &self.places[table as usize].table;
            if entries.len() > 0 {
                let (keys, deadlines) = (entries.len() as u64, entries.deadlines as u64);
                parts.push(Part { table, db: DbId(db as u16), keys, deadlines, told: false });
            }
        }
        parts.sort_unstable_by_key(|part| part.table);
        self.ground.heap.mark ^= MARK;
        self.image = Some(Box::new(Image {
            began_ms: now_ms,
            ages: options.ages,
            parts,
            at: 0,
            cursor: 0,
            db: None,
            early: VecDeque::new(),
            early_bytes: 0,
            tools: Tools::new(options.compress),
            kept: VecDeque::new(),
            piece: None,
        }));
    }

    /// Whether an image runs: begun and not ended.
    #[inline]
    pub fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// Whether `begin_image` would take no time.
    pub fn image_is_ready(&self) -> bool {
        self.image.is_none() && self.remarking.is_none()
    }

    /// Whether there are hashes whose fields have deadlines, which only files of a higher version can hold.
    pub fn has_timed_fields(&self) -> bool {
        self.fields.live() > 0
    }

    /// Bytes that wait for the next step.
    pub fn image_early_bytes(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.early_bytes)
    }

    /// Goes on with the image until about `budget` more bytes are in `out` (lent ones count), first with what was written early.
    pub fn image_step(&mut self, budget: usize, out: &mut ImageOut) -> Step {
        let mut image = self.image.take().expect("callers have begun an image");
        image.tools.lent_bytes = 0;
        let upto = out.out.bytes.len() + budget.max(1);
        let step = self.step(&mut image, upto, out);
        self.image = Some(image);
        step
    }

    fn step(&mut self, image: &mut Image, upto: usize, out: &mut ImageOut) -> Step {
        loop {
            if let Some(piece) = &image.piece {
                if let Source::Entry { table, key, .. } = &piece.source
                    && let Some(db) = self.places[*table as usize].db
                {
                    return Step::Large { db, key: key.clone() };
                }
                if !self.go_on(image, upto, out) {
                    return Step::More;
                }
            }
            image.drain(out, upto);
            if out.out.bytes.len() + image.tools.lent_bytes >= upto {
                return Step::More;
            }
            if let Some((facts, object)) = image.kept.pop_front() {
                self.begin_kept(image, &facts, object, &mut out.out);
                continue;
            }
            let Some(&Part { table, .. }) = image.parts.get(image.at) else { return Step::Done };
            let mark = self.ground.heap.mark;
            let Store { places, ground, tuning, .. } = self;
            let tell = Tell { ground, decay_minutes: tuning.lfu_decay_minutes };
            let (part, mut large) = (image.at, None::<Box<[u8]>>);
            let next = places[table as usize].table.sweep(image.cursor, SLOTS_A_STEP, |mut raw| {
                let entry = raw.as_ref();
                if entry.mark() == mark {
                    return true;
                }
                if out.out.bytes.len() + image.tools.lent_bytes >= upto {
                    return false;
                }
                if image.was_there(entry) {
                    if is_large(entry) {
                        large = Some(entry.key().into());
                        return false;
                    }
                    image.record(part, entry, &tell, &mut out.out);
                    out.keys += 1;
                }
                raw.set_mark(mark);
                true
            });
            match next {
                Some(cursor) => image.cursor = cursor,
                None => (image.at, image.cursor) = (image.at + 1, 0),
            }
            match (large, self.places[table as usize].db) {
                (Some(key), Some(db)) => return Step::Large { db, key },
                (Some(key), None) => self.begin_piece(image, table, &key, &mut out.out),
                (None, _) if next.is_some() => return Step::More,
                (None, _) => {}
            }
        }
    }

    /// Whether a write to this key has to wait until `image_piece` has written it.
    pub fn image_wants(&self, db: DbId, key: &[u8]) -> bool {
        let Some(image) = &self.image else { return false };
        let table = self.dbs[db.index()];
        let entries = &self.places[table as usize].table;
        let Some(spot) = entries.find(self.ground.keyed.hash(key), key) else { return false };
        let raw = entries.entry(spot);
        raw.mark() != self.ground.heap.mark
            && image.was_there(raw)
            && (image.early_bytes > EARLY_BYTES_MAX || is_large(raw))
    }

    /// Goes on writing this key, about `budget` bytes; true when it is whole, or need not be written. From the first call to the
    /// last nobody may change the key, or call this for another; what becomes of it by its deadline and by eviction is seen to.
    pub fn image_piece(&mut self, db: DbId, key: &[u8], budget: usize, out: &mut ImageOut) -> bool {
        let Some(mut image) = self.image.take() else { return true };
        image.tools.lent_bytes = 0;
        let upto = out.out.bytes.len() + budget.max(1);
        let whole = self.piece(&mut image, db, key, upto, out);
        self.image = Some(image);
        whole
    }

    fn piece(&mut self, image: &mut Image, db: DbId, key: &[u8], upto: usize, out: &mut ImageOut) -> bool {
        // Whatever it is that was begun has to end first.
        if image.piece.is_some() && !self.go_on(image, upto, out) {
            return false;
        }
        image.drain(out, upto);
        let table = self.dbs[db.index()];
        let entries = &self.places[table as usize].table;
        let Some(spot) = entries.find(self.ground.keyed.hash(key), key) else { return true };
        let raw = entries.entry(spot);
        if raw.mark() == self.ground.heap.mark || !image.was_there(raw) {
            return true;
        }
        if !image.early.is_empty() {
            return false;
        }
        if !is_large(raw) {
            let tell = Tell { ground: &self.ground, decay_minutes: self.tuning.lfu_decay_minutes };
            image.record(image.part_of(table), raw, &tell, &mut out.out);
            out.keys += 1;
            self.set_written(table, spot);
            return true;
        }
        self.begin_piece(image, table, key, &mut out.out);
        self.go_on(image, upto, out)
    }

    /// Ends the image: it is done, or given up. What was not written is marked in steps by `bury`.
    pub fn end_image(&mut self) {
        let Some(mut image) = self.image.take() else { return };
        if let Some(Piece { source, .. }) = image.piece.take() {
            self.end_source(source);
        }
        image.kept.drain(..).for_each(|(_, object)| self.bury_object(object));
        let tables: Vec<u16> = image.parts.drain(image.at..).map(|part| part.table).collect();
        self.remarking = (!tables.is_empty()).then_some(Remarking { tables, cursor: image.cursor });
    }

    /// Marks entries of an image that was given up, passing some `slots`. True while there are more.
    pub(crate) fn remark(&mut self, slots: usize) -> bool {
        let Some(Remarking { tables, cursor }) = &mut self.remarking else { return false };
        let mark = self.ground.heap.mark;
        let place = &mut self.places[tables[0] as usize];
        // A table in the graveyard may be half freed, and nobody asks for its marks. Should the number name a new one,
        // that is marked already.
        let next = place.db.and_then(|_| {
            place.table.sweep(*cursor, slots, |mut raw| {
                if raw.as_ref().mark() != mark {
                    raw.set_mark(mark);
                }
                true
            })
        });
        *cursor = next.unwrap_or(0);
        if next.is_none() {
            tables.remove(0);
        }
        if tables.is_empty() {
            self.remarking = None;
        }
        self.remarking.is_some()
    }

    /// Whether an entry with this hash may have the mark of what is unwritten.
    pub(crate) fn may_be_unwritten(&self, table: u16, hash: u64) -> bool {
        let image = self.image.as_ref().is_some_and(|image| image.may_be_unwritten(table, hash));
        let remarking = self
            .remarking
            .as_ref()
            .is_some_and(|left| left.tables.contains(&table) && (left.tables[0] != table || hash >> 16 >= left.cursor));
        image || remarking
    }

    /// Whether a flushed table cannot be freed yet.
    #[inline]
    pub(crate) fn image_holds(&self, table: u16) -> bool {
        self.image.as_ref().is_some_and(|image| image.holds(table))
    }

    /// Whether the entry is a large one that is still to be written, so that what nobody waits for should be left as it is.
    pub(crate) fn image_spares(&self, table: u16, spot: Spot) -> bool {
        let raw = self.places[table as usize].table.entry(spot);
        self.image.is_some() && raw.mark() != self.ground.heap.mark && is_large(raw)
    }

    /// The entry at `spot` is about to be changed: an image that has not written it does so now. An object, however large, at once:
    /// callers have asked `image_wants`.
    #[cold]
    pub(crate) fn image_first(&mut self, table: u16, spot: Spot) {
        let raw = self.places[table as usize].table.entry(spot);
        if raw.mark() == self.ground.heap.mark {
            return;
        }
        let Some(mut image) = self.image.take() else { return };
        image.tools.lent_bytes = 0;
        if image.is_piece(table, raw.key()) {
            image.finish_piece(raw, &self.ground);
            let hash = self.ground.keyed.hash(raw.key());
            self.unpin_hash(table, hash);
        } else if image.was_there(raw) {
            let part = image.part_of(table);
            let tell = Tell { ground: &self.ground, decay_minutes: self.tuning.lfu_decay_minutes };
            image.early(|image, block| {
                image.record(part, raw, &tell, &mut block.out);
                block.keys += 1;
            });
        }
        self.image = Some(image);
        self.set_written(table, spot);
    }

    /// The entry at `spot` is about to go, or to get another value: what is to become of its object, if it is one.
    #[cold]
    pub(crate) fn image_leaving(&mut self, table: u16, spot: Spot) -> Leaving {
        let raw = self.places[table as usize].table.entry(spot);
        let Some(image) = &self.image else { return Leaving::Free };
        if raw.mark() == self.ground.heap.mark {
            return Leaving::Free;
        }
        if !image.was_there(raw) || raw.object().is_none() || !is_large(raw) {
            self.image_first(table, spot);
            return Leaving::Free;
        }
        let leaving = if image.is_piece(table, raw.key()) {
            Leaving::Piece
        } else {
            let tell = Tell { ground: &self.ground, decay_minutes: self.tuning.lfu_decay_minutes };
            Leaving::Unwritten(Box::new(Facts {
                part: image.part_of(table),
                key: raw.key().into(),
                deadline: raw.deadline(),
                age: image.age(raw, &tell),
                flags: raw.flags(),
                version: raw.version(),
            }))
        };
        self.set_written(table, spot);
        leaving
    }

    /// The object of an entry that is gone.
    pub(crate) fn image_keep(&mut self, leaving: Leaving, object: Box<Object>) {
        match (leaving, &mut self.image) {
            (Leaving::Unwritten(facts), Some(image)) => image.kept.push_back((*facts, object)),
            (Leaving::Piece, Some(image)) => {
                let piece = image.piece.as_mut().expect("it was seen a moment ago");
                if let Source::Entry { table, hash, .. } = std::mem::replace(&mut piece.source, Source::Kept(object)) {
                    self.unpin_hash(table, hash);
                }
            }
            (_, _) => self.bury_object(object),
        }
    }

    fn set_written(&mut self, table: u16, spot: Spot) {
        let mark = self.ground.heap.mark;
        self.places[table as usize].table.entry_mut(spot).set_mark(mark);
    }

    /// Begins to write an entry's value, which stays as it is.
    fn begin_piece(&mut self, image: &mut Image, table: u16, key: &[u8], out: &mut Out) {
        let hash = self.ground.keyed.hash(key);
        let entries = &self.places[table as usize].table;
        let raw = entries.entry(entries.find(hash, key).expect("callers have found it"));
        let part = image.part_of(table);
        image.select(part, &mut out.bytes);
        let tell = Tell { ground: &self.ground, decay_minutes: self.tuning.lfu_decay_minutes };
        let age = image.age(raw, &tell);
        let head = Head { key, deadline: raw.deadline(), age, flags: raw.flags(), version: raw.version() };
        frame::entry_head(&mut out.bytes, &head, write::type_of(raw), image.tools.lzf.as_mut());
        let source = Source::Entry { table, hash, key: key.into() };
        image.piece = Some(Piece { source, progress: Progress::Start });
        // Reads remove fields that are due.
        self.pin_hash(table, hash);
    }

    /// The same of an object whose entry is gone.
    fn begin_kept(&mut self, image: &mut Image, facts: &Facts, object: Box<Object>, out: &mut Out) {
        image.select(facts.part, &mut out.bytes);
        let Facts { ref key, deadline, age, flags, version, .. } = *facts;
        let head = Head { key, deadline, age, flags, version };
        frame::entry_head(&mut out.bytes, &head, parts::type_of(&object), image.tools.lzf.as_mut());
        image.piece = Some(Piece { source: Source::Kept(object), progress: Progress::Start });
    }

    /// Goes on with the value that is being written; true if it is whole.
    fn go_on(&mut self, image: &mut Image, upto: usize, out: &mut ImageOut) -> bool {
        let Some(Piece { source, progress }) = image.piece.take() else { return true };
        image.tools.postpones = true;
        let mut to = image.writer(&mut out.out);
        let (mut progress, mut spot) = (progress, None);
        match &source {
            Source::Entry { table, hash, key } => {
                let entries = &self.places[*table as usize].table;
                let at = entries.find(*hash, key).expect("whoever removes the entry keeps the object");
                while !progress.is_whole() && to.written() < upto {
                    progress = go_on(progress, entries.entry(at), &self.ground, &mut to, upto);
                    if progress.is_packing() {
                        break;
                    }
                }
                spot = Some((*table, at));
            }
            Source::Kept(object) => progress = parts::go_on(progress, object, &self.ground, &mut to, upto),
            Source::Text(text) => progress = parts::go_on_text(progress, text, &mut to, upto),
            Source::Apart => {
                if let Progress::Long(long) = progress {
                    progress = long.go_on(&mut to, upto);
                }
            }
        }
        image.tools.postpones = false;
        if !progress.is_whole() {
            image.piece = Some(Piece { source, progress });
            return false;
        }
        out.keys += 1;
        if let Some((table, spot)) = spot {
            self.set_written(table, spot);
        }
        self.end_source(source);
        true
    }

    fn end_source(&mut self, source: Source) {
        match source {
            Source::Entry { table, hash, .. } => self.unpin_hash(table, hash),
            Source::Kept(object) => self.bury_object(object),
            Source::Text(_) | Source::Apart => {}
        }
    }

    /// No number for a table is left while the image holds flushed ones: it has to be written, into memory, now. Tens of
    /// thousands of databases, all in use, would be needed for that.
    #[cold]
    pub(crate) fn image_hurry(&mut self) {
        let mut all = ImageOut::default();
        while self.image.is_some() {
            match self.image_step(usize::MAX / 2, &mut all) {
                Step::More => {}
                Step::Large { db, key } => while !self.image_piece(db, &key, usize::MAX / 2, &mut all) {},
                Step::Done => break,
            }
        }
        if let Some(image) = &mut self.image {
            image.early_bytes += all.out.len();
            image.early.push_back(all);
        }
    }

    /// Frees what an image keeps, when the store goes.
    pub(crate) fn drop_image(&mut self) {
        self.end_image();
        self.remarking = None;
    }
}
