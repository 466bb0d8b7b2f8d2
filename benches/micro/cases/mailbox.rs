//! Room: benches, micro. What it costs to hand work to another shard: 16 asks written into a batch, the batch put, taken and
//! read, in one thread; the wait for another core's cache lines is not in it.

use super::{Case, batches, key};
use base::{ArgsBuf, DbId, ShardId};
use node::ask::{Dialect, Manner, Origin};
use node::batch::{Batch, Record};
use node::mailbox::mesh;
use std::hint::black_box;

const ASKS: u64 = 16;

pub const CASES: &[Case] = &[
    // One operation is one ask.
    Case::new("mailbox/16-asks-there", |_| {
        let mut posts = mesh::<()>(2);
        let (mut there, mut here) = (posts.remove(1), posts.remove(0));
        let asks: Vec<ArgsBuf> = (0..ASKS)
            .map(|number| {
                let mut words = ArgsBuf::new();
                words.push(b"GET");
                words.push(&key(number));
                words
            })
            .collect();
        let manner = Manner { dialect: Dialect::Resp2, db: DbId::ZERO, no_touch: false, silent: false };
        let mut batch = Batch::default();
        Box::new(move |n| {
            batches(n, ASKS, |_| {
                for (seq, words) in asks.iter().enumerate() {
                    let origin = Origin { conn: 1, generation: 1, seq: seq as u32 };
                    batch.ask(origin, manner, 7, 0, words.args());
                }
                assert!(here.put(ShardId(1), &mut batch), "the mailbox was emptied");
                there.take(ShardId(0), |batch| {
                    let mut reading = batch.read();
                    while let Some(record) = reading.read_next() {
                        if let Record::Ask { args, .. } = record {
                            black_box(args.at(1));
                        }
                    }
                });
            })
        })
    }),
    Case::new("mailbox/empty-put-and-take", |_| {
        let mut posts = mesh::<()>(2);
        let (mut there, mut here) = (posts.remove(1), posts.remove(0));
        let mut batch = Batch::default();
        Box::new(move |n| {
            super::timed(n, |_| {
                assert!(here.put(ShardId(1), &mut batch), "the mailbox was emptied");
                there.take(ShardId(0), |batch| assert!(black_box(batch).is_empty()));
            })
        })
    }),
];
