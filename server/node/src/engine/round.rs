//! Further rounds of readings for a transaction that holds every shard as a whole: what it has read so far names other keys.

use super::together::AtWork;
use super::{Engine, Mail};
use crate::shard::locks::TxId;
use base::{ArgsBuf, DbId, ShardId};
use command::row::{Read, Wanted};
use command::together::{Found, ReadSoFar};

/// What one shard is asked for.
pub struct RoundAsk {
    id: TxId,
    coordinator: ShardId,
    keys: ArgsBuf,
    reads: Vec<(DbId, Read)>,
    no_touch: bool,
}

/// A round as the coordinator knows it.
pub(super) struct Round {
    at_work: AtWork,
    /// By shard: the places among what is wanted.
    places: Vec<Vec<u32>>,
    found: Vec<Found>,
    missing: usize,
}

impl Engine {
    /// Asks each shard for what it has of `wanted`. Nothing is locked: the transaction holds all of them.
    pub(super) fn ask_round(&mut self, at_work: AtWork, wanted: Wanted) {
        let (id, no_touch) = (at_work.decided.id, at_work.decided.manner.no_touch);
        let keys = wanted.keys.args();
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); self.shards()];
        let mut asks: Vec<Option<RoundAsk>> = places.iter().map(|_| None).collect();
        for (n, read) in wanted.reads.into_iter().enumerate() {
            let shard = self.owner(keys.at(n)).index();
            let ask = asks[shard].get_or_insert_with(|| RoundAsk {
                id,
                coordinator: self.me,
                keys: ArgsBuf::new(),
                reads: Vec::new(),
                no_touch,
            });
            ask.keys.push(keys.at(n));
            ask.reads.push(read);
            places[shard].push(n as u32);
        }
        let found = (0..keys.len()).map(|_| Found::Skipped).collect();
        let missing = asks.iter().flatten().count();
        assert!(missing > 0, "a job that wants nothing goes on by itself");
        self.rounds.insert(id, Round { at_work, places, found, missing });
        for (shard, ask) in asks.into_iter().enumerate().filter_map(|(shard, ask)| Some((shard, ask?))) {
            if shard == self.me.index() {
                self.read_round(ask);
            } else {
                self.outbox[shard].mail(Mail::Round(ask));
            }
        }
    }

    /// Reads for a round, in slices; then tells the coordinator.
    pub(super) fn read_round(&mut self, ask: RoundAsk) {
        let mut so_far = ReadSoFar::default();
        let mut go_on = move |engine: &mut Engine| {
            let count = Some(engine.slice_keys);
            if !so_far.go_on(&mut engine.ctx(DbId::ZERO, ask.no_touch), ask.keys.args(), &ask.reads, count) {
                return false;
            }
            engine.after_write();
            let (shard, found) = (engine.me, std::mem::take(&mut so_far.found));
            if ask.coordinator == shard {
                engine.round_heard(ask.id, shard, found);
            } else {
                engine.outbox[ask.coordinator.index()].mail(Mail::Heard { id: ask.id, shard, found });
            }
            true
        };
        if !go_on(self) {
            self.chore(Box::new(go_on));
        }
    }

    /// A shard has told what it has.
    pub(super) fn round_heard(&mut self, id: TxId, shard: ShardId, found: Vec<Found>) {
        let round = self.rounds.get_mut(&id).expect("a round ends when all have told");
        for (&place, found) in round.places[shard.index()].iter().zip(found) {
            round.found[place as usize] = found;
        }
        round.missing -= 1;
        if round.missing > 0 {
            return;
        }
        let Round { mut at_work, found, .. } = self.rounds.remove(&id).expect("looked up above");
        at_work.job.heard(found);
        // Not at once: a shard that answers itself would never come back from here.
        let mut at_work = Some(at_work);
        self.chore(Box::new(move |engine| {
            engine.work_slice(at_work.take().expect("a chore is not called again once it is done"));
            engine.pump();
            true
        }));
    }
}
