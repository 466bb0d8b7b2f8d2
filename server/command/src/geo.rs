//! Room: command. Places on the earth, kept as the scores of a sorted set. Searches have a file of their own.
//! Touches: base, store.
//! Source of every order of checks and every edge: geo.c of Redis 7.2.

mod earth;
mod rows;
mod search;

pub use rows::GEO;

use crate::context::Ctx;
use crate::keep::or_fault;
use crate::row::Walk;
use crate::zset::{SLICE, missed, read, read_again};
use base::number::parse_f64;
use base::{Args, Fault, Reply};
use earth::Point;

/// Longitude and latitude: two words from `at` on.
fn parse_point(args: Args<'_>, at: usize) -> Result<Point, Fault> {
    let longitude = parse_f64(args.at(at)).ok_or(Fault::NotFloat)?;
    let latitude = parse_f64(args.at(at + 1)).ok_or(Fault::NotFloat)?;
    let point = Point { longitude, latitude };
    if point.is_valid() {
        return Ok(point);
    }
    Err(Fault::err(format!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// The score of the place that two words from `at` on name.
pub(crate) fn parse_score(args: Args<'_>, at: usize) -> Result<f64, Fault> {
    parse_point(args, at).map(earth::score)
}

/// Metres of a unit.
fn parse_unit(word: &[u8]) -> Result<f64, Fault> {
    let units: [(&[u8], f64); 4] = [(b"m", 1.0), (b"km", 1000.0), (b"ft", 0.3048), (b"mi", 1609.34)];
    let found = units.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|unit| unit.1).ok_or_else(|| Fault::err("unsupported unit provided. please use M, KM, FT, MI"))
}

/// A coordinate as Redis shows it (`%.17Lf` without zeros at its end): more digits than a double needs, so not as other doubles.
fn speak_coordinate(x: f64, reply: &mut dyn Reply) {
    let text = format!("{x:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    reply.double_as(if text == "-0" { "0" } else { text });
}

fn speak_point(point: Point, reply: &mut dyn Reply) {
    reply.array(2);
    speak_coordinate(point.longitude, reply);
    speak_coordinate(point.latitude, reply);
}

/// A distance: four digits behind the point, and text in both protocols.
fn speak_distance(distance: f64, reply: &mut dyn Reply) {
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    let (whole, part) = (scaled.unsigned_abs() / 10_000, scaled.unsigned_abs() % 10_000);
    let mut text = Vec::with_capacity(32);
    if scaled < 0 {
        text.push(b'-');
    }
    base::number::push_u64(&mut text, whole);
    text.push(b'.');
    text.extend((0..4).rev().map(|i| b'0' + (part / 10u64.pow(i) % 10) as u8));
    reply.bulk(&text);
}

/// GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]
pub fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    crate::zset::add_places(ctx, args, reply);
}

/// GEOPOS key [member ...]
pub fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    each(ctx, args, reply, |score, reply| match score {
        Some(score) => speak_point(earth::place(score), reply),
        None => reply.null_array(),
    });
}

/// GEOHASH key [member ...]
pub fn geohash(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    each(ctx, args, reply, |score, reply| match score {
        Some(score) => reply.bulk(&earth::text(earth::place(score))),
        None => reply.null(),
    });
}

type SpeakScore = fn(Option<f64>, &mut dyn Reply);

fn each(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply, speak: SpeakScore) {
    if or_fault!(read(ctx, &args[1]), reply).is_none() {
        missed(ctx, &args[1]);
    }
    reply.array(args.len() - 2);
    let mut each = Each { at: 2, speak };
    if !each.step(ctx, args, reply) {
        ctx.walk = Some(Box::new(each));
    }
}

struct Each {
    at: usize,
    speak: SpeakScore,
}

impl Walk for Each {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let end = args.len().min(self.at + SLICE / 4);
        let set = read_again(ctx, &args[1]);
        for member in (self.at..end).map(|i| args.at(i)) {
            (self.speak)(set.and_then(|set| set.score(member)), reply);
        }
        self.at = end;
        end == args.len()
    }
}

/// GEODIST key member1 member2 [M|KM|FT|MI]
pub fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let unit = match args.len() {
        4 => 1.0,
        5 => or_fault!(parse_unit(args.at(4)), reply),
        _ => return reply.fault(&Fault::Syntax),
    };
    let Some(set) = or_fault!(read(ctx, &args[1]), reply) else {
        missed(ctx, &args[1]);
        return reply.null();
    };
    match (set.score(&args[2]), set.score(&args[3])) {
        (Some(a), Some(b)) => speak_distance(earth::distance(earth::place(a), earth::place(b)) / unit, reply),
        _ => reply.null(),
    }
}
