//! Room: benches, micro. Bytes to asks and replies to bytes, in both dialects.

use super::{Case, Run, key, resp, timed};
use base::{Args, Out, Reply, Span, Word};
use std::hint::black_box;
use wire::memcache::{self, McWriter};
use wire::resp::{self as resp_wire, RespWriter};

const VALUE: [u8; 100] = [b'v'; 100];

pub const CASES: &[Case] = &[
    Case::new("resp/parse-get", |_| parse_resp(&[resp(&[b"GET", &key(7)])])),
    Case::new("resp/parse-set-100", |_| parse_resp(&[resp(&[b"SET", &key(7), &VALUE])])),
    Case::new("resp/parse-mget-100", |_| {
        let keys: Vec<_> = (0..100).map(key).collect();
        let mut words: Vec<&[u8]> = vec![b"MGET"];
        words.extend(keys.iter().map(|k| k.as_slice()));
        parse_resp(&[resp(&words)])
    }),
    // What a pipeline of 16 costs an ask: the bytes lie one behind another.
    Case::new("resp/parse-pipeline-16", |_| parse_resp(&(0..16).map(|n| resp(&[b"GET", &key(n)])).collect::<Vec<_>>())),
    Case::new("resp/parse-inline", |_| parse_resp(&[b"GET key:000000000007\r\n".to_vec()])),
    Case::new("resp/parse-in-two-reads", |_| {
        let ask = resp(&[b"SET", &key(7), &VALUE]);
        let (mut parser, mut spans) = (resp_wire::Parser::new(), Vec::new());
        let limits = resp_wire::ParseLimits::default();
        Box::new(move |n| {
            timed(n, |_| {
                spans.clear();
                black_box(parser.parse(black_box(&ask[..60]), &mut spans, &limits));
                black_box(parser.parse(black_box(&ask), &mut spans, &limits));
            })
        })
    }),
    Case::new("resp/draw-bulk-100", |_| draw_resp(2, |reply| reply.bulk(black_box(&VALUE)))),
    Case::new("resp/draw-ok", |_| draw_resp(2, |reply| reply.ok())),
    Case::new("resp/draw-int", |_| draw_resp(2, |reply| reply.int(black_box(123_456)))),
    Case::new("resp/draw-map-resp3", |_| {
        draw_resp(3, |reply| {
            reply.map(4);
            for number in 0..4 {
                reply.bulk(black_box(b"field"));
                reply.int(black_box(number));
            }
        })
    }),
    Case::new("memcache/parse-get", |_| parse_memcache(b"get key:000000000007\r\n".to_vec())),
    Case::new("memcache/parse-set-100", |_| {
        let mut ask = b"set key:000000000007 0 0 100\r\n".to_vec();
        ask.extend_from_slice(&VALUE);
        ask.extend_from_slice(b"\r\n");
        parse_memcache(ask)
    }),
    Case::new("memcache/draw-value-100", |_| {
        let mut out = Out::new();
        Box::new(move |n| {
            timed(n, |_| {
                out.clear();
                let mut writer = McWriter::new(&mut out);
                writer.value(black_box(b"key:000000000007"), 0, None, black_box(&VALUE));
                writer.word(Word::End);
                black_box(&out.bytes);
            })
        })
    }),
];

/// Parses `asks`, which lie one behind another, again and again. One operation is one ask.
fn parse_resp(asks: &[Vec<u8>]) -> Run {
    let bytes: Vec<u8> = asks.concat();
    let (mut parser, mut spans): (_, Vec<Span>) = (resp_wire::Parser::new(), Vec::new());
    let limits = resp_wire::ParseLimits::default();
    let mut at = 0;
    Box::new(move |n| {
        timed(n, |_| {
            if at == bytes.len() {
                at = 0;
            }
            spans.clear();
            match parser.parse(black_box(&bytes[at..]), &mut spans, &limits) {
                resp_wire::Parsed::Ask { used } => {
                    black_box(Args::new(&bytes[at..at + used], &spans).at(0));
                    at += used;
                }
                other => panic!("an ask was written, {other:?} was read"),
            }
        })
    })
}

fn draw_resp(proto: u8, mut draw: impl FnMut(&mut dyn Reply) + 'static) -> Run {
    let mut out = Out::new();
    Box::new(move |n| {
        timed(n, |_| {
            out.clear();
            draw(&mut RespWriter::new(&mut out, proto));
            black_box(&out.bytes);
        })
    })
}

fn parse_memcache(ask: Vec<u8>) -> Run {
    let (mut parser, mut spans): (_, Vec<Span>) = (memcache::Parser::new(), Vec::new());
    let limits = memcache::ParseLimits::default();
    Box::new(move |n| {
        timed(n, |_| {
            spans.clear();
            match parser.parse(black_box(&ask), &mut spans, &limits) {
                memcache::Parsed::Ask { .. } => black_box(&spans),
                other => panic!("an ask was written, {other:?} was read"),
            };
        })
    })
}
