//! Room: command. Places on the earth: 52 bits that name a cell, which cells cover an area, how far things are.
//! Touches: nothing.
//!
//! Latitudes and longitudes are halved 26 times each and their bits interleaved, longitude first, so that a cell of any size is a
//! run of numbers. Results are compared with Redis's to the last digit, so constants and the order of operations are those of
//! geohash.c and geohash_helper.c of Redis 7.2, oddities included.

use std::f64::consts::PI;

pub const LONGITUDE_MAX: f64 = 180.0;
/// The limit of the Mercator projection (EPSG:3857).
pub const LATITUDE_MAX: f64 = 85.05112878;
/// Halvings of each coordinate in a score.
pub const STEP_MAX: u32 = 26;
/// Redis's mean of the WGS84 ellipsoid.
const EARTH_RADIUS_M: f64 = 6372797.560856;
const MERCATOR_MAX: f64 = 20037726.37;
const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

impl Point {
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// Puts zeros between the bits.
fn spread(n: u32) -> u64 {
    let mut x = u64::from(n);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555u64),
    ] {
        x = (x | x << shift) & mask;
    }
    x
}

/// Takes every second bit.
fn gather(n: u64) -> u32 {
    let mut x = n & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFFu64),
    ] {
        x = (x | x >> shift) & mask;
    }
    x as u32
}

/// A part of the map: longitude and latitude halved `step` times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    bits: u64,
    step: u32,
}

/// The borders of a cell.
#[derive(Clone, Copy)]
struct Borders {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Cell {
    fn of(point: Point, step: u32, latitude_max: f64) -> Cell {
        let share = |x: f64, max: f64| (x - -max) / (max - -max) * (1u64 << step) as f64;
        let latitude = share(point.latitude, latitude_max) as u32;
        let longitude = share(point.longitude, LONGITUDE_MAX) as u32;
        Cell { bits: spread(latitude) | spread(longitude) << 1, step }
    }

    fn borders(self) -> Borders {
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        let place = |n: u32, max: f64| -max + (f64::from(n) / (1u64 << self.step) as f64) * (max - -max);
        Borders {
            south: place(latitude, LATITUDE_MAX),
            north: place(latitude.wrapping_add(1), LATITUDE_MAX),
            west: place(longitude, LONGITUDE_MAX),
            east: place(longitude.wrapping_add(1), LONGITUDE_MAX),
        }
    }

    /// So many cells to the east and to the north, -1 to 1; around the map's edges.
    fn beside(self, east: i32, north: i32) -> Cell {
        let shift = 64 - self.step * 2;
        let (odd, even) = (0xAAAA_AAAA_AAAA_AAAA, 0x5555_5555_5555_5555u64);
        let step = |mine: u64, others: u64, by: i32| {
            let (x, holes) = (self.bits & mine, others >> shift);
            // A carry runs through bits that are all set where the other coordinate stands.
            let moved = match by {
                0 => x,
                1.. => x.wrapping_add(holes + 1),
                _ => (x | holes).wrapping_sub(holes + 1),
            };
            if by == 0 { moved } else { moved & mine >> shift }
        };
        Cell { bits: step(odd, even, east) | step(even, odd, north), step: self.step }
    }

    /// The scores in it: the first, and the one behind the last.
    pub fn scores(self) -> (f64, f64) {
        let align = |bits: u64| (bits << (2 * (STEP_MAX - self.step))) as f64;
        (align(self.bits), align(self.bits + 1))
    }
}

/// The score of a place.
pub fn score(point: Point) -> f64 {
    Cell::of(point, STEP_MAX, LATITUDE_MAX).bits as f64
}

/// Bits of a score, as x86-64 converts what is no such number.
fn bits_of(score: f64) -> u64 {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    let convert = |x: f64| if (-TWO_63..TWO_63).contains(&x) { x as i64 as u64 } else { 1 << 63 };
    if score >= TWO_63 { convert(score - TWO_63) ^ 1 << 63 } else { convert(score) }
}

/// The place that a score names: the middle of its cell.
pub fn place(score: f64) -> Point {
    let borders = Cell { bits: bits_of(score), step: STEP_MAX }.borders();
    let middle = |a: f64, b: f64, max: f64| ((a + b) / 2.0).clamp(-max, max);
    Point {
        longitude: middle(borders.west, borders.east, LONGITUDE_MAX),
        latitude: middle(borders.south, borders.north, LATITUDE_MAX),
    }
}

/// The usual geohash text, which counts latitudes to the poles. 52 bits make ten letters; the eleventh is always the same.
pub fn text(point: Point) -> [u8; 11] {
    let bits = Cell::of(point, STEP_MAX, 90.0).bits;
    std::array::from_fn(|i| if i == 10 { LETTERS[0] } else { LETTERS[(bits >> (47 - 5 * i)) as usize & 31] })
}

/// Metres between two latitudes.
fn latitude_distance(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}

/// Metres between two places: the haversine formula.
pub fn distance(a: Point, b: Point) -> f64 {
    let v = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if v == 0.0 {
        return latitude_distance(a.latitude, b.latitude);
    }
    let (from, to) = (radians(a.latitude), radians(b.latitude));
    let u = ((to - from) / 2.0).sin();
    let share = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS_M * share.sqrt().asin()
}

/// What is searched, in metres.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A shape around a place.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub center: Point,
    pub shape: Shape,
}

impl Area {
    /// How far a place is from the middle, if it is inside.
    #[inline]
    pub fn inside(&self, point: Point) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                // Never nearer than the latitudes are: most of what is outside needs no sine. The margin is for what
                // rounding does to either.
                if latitude_distance(self.center.latitude, point.latitude) > radius * (1.0 + 1e-9) + 1e-3 {
                    return None;
                }
                let distance = distance(self.center, point);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                if latitude_distance(point.latitude, self.center.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.center.longitude, latitude: point.latitude };
                if distance(point, beside) > width / 2.0 {
                    return None;
                }
                Some(distance(self.center, point))
            }
        }
    }

    /// West, south, east, north.
    fn bounds(&self) -> (f64, f64, f64, f64) {
        let Point { longitude, latitude } = self.center;
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let up = degrees(height / EARTH_RADIUS_M);
        let at = |latitude: f64| degrees(width / EARTH_RADIUS_M / radians(latitude).cos());
        let aside = if latitude < 0.0 { at(latitude - up) } else { at(latitude + up) };
        (longitude - aside, latitude - up, longitude + aside, latitude + up)
    }

    /// How often to halve, so that a cell and its neighbours cover the area.
    fn step(&self) -> u32 {
        let mut range = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
        };
        if range == 0.0 {
            return STEP_MAX;
        }
        let mut step = 1i32;
        while range < MERCATOR_MAX {
            range *= 2.0;
            step += 1;
        }
        // So that most areas are covered; towards the poles cells are narrower.
        step -= 2;
        let latitude = self.center.latitude.abs();
        step -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        step.clamp(1, STEP_MAX as i32) as u32
    }

    /// The cells in which places of the area lie, in the order in which Redis looks into them.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        let (west, south, east, north) = self.bounds();
        let mut step = self.step();
        let mut center = Cell::of(self.center, step, LATITUDE_MAX);
        // Near an edge of its cell an area may reach beyond the neighbours.
        let reaches = center.beside(0, 1).borders().north < north
            || center.beside(0, -1).borders().south > south
            || center.beside(1, 0).borders().east < east
            || center.beside(-1, 0).borders().west > west;
        if step > 1 && reaches {
            step -= 1;
            center = Cell::of(self.center, step, LATITUDE_MAX);
        }
        let borders = center.borders();
        let none = |without: bool| step >= 2 && without;
        let (no_south, no_north) = (none(borders.south < south), none(borders.north > north));
        let (no_west, no_east) = (none(borders.west < west), none(borders.east > east));
        let around =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)].map(|(x, y): (i32, i32)| {
                let without = y < 0 && no_south || y > 0 && no_north || x < 0 && no_west || x > 0 && no_east;
                (!without).then(|| center.beside(x, y))
            });
        // Of huge areas neighbours are the same cell. Redis leaves out what is the same as the one before, but the middle.
        let mut last: Option<Cell> = None;
        around.into_iter().enumerate().filter_map(move |(i, cell)| {
            let cell = cell?;
            if last == Some(cell) {
                return None;
            }
            last = if i > 0 { Some(cell) } else { None };
            Some(cell)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    /// Expectations: Redis 7.2.
    #[test]
    fn known_places() {
        assert_eq!(score(PALERMO), 3479099956230698.0);
        assert_eq!(score(CATANIA), 3479447370796909.0);
        assert_eq!(&text(place(score(PALERMO))), b"sqc8b49rny0");
        let metres = distance(place(score(PALERMO)), place(score(CATANIA)));
        assert!((metres - 166274.1516).abs() < 0.0001, "{metres}");
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for n in [0, 1, 2, 3, 0x5555_5555, 0xFFFF_FFFF, 0x0123_4567, 1 << 26] {
            assert_eq!(gather(spread(n)), n);
            assert_eq!((0..32).fold(0, |x, i| x | u64::from(n >> i & 1) << (2 * i)), spread(n));
        }
    }

    #[test]
    fn neighbours_lie_beside() {
        for step in 2..=STEP_MAX {
            let cell = Cell::of(PALERMO, step, LATITUDE_MAX);
            let here = cell.borders();
            for (x, y) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)] {
                let there = cell.beside(x, y).borders();
                let wide = (here.east - here.west) * f64::from(x);
                let high = (here.north - here.south) * f64::from(y);
                assert!((there.west - here.west - wide).abs() < 1e-9, "step {step}, {x} {y}");
                assert!((there.south - here.south - high).abs() < 1e-9, "step {step}, {x} {y}");
            }
        }
    }

    /// Every place inside the area lies in one of its cells.
    #[test]
    fn cells_cover_their_area() {
        let mut x = 7u64;
        let mut draw = || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 11) as f64 / (1u64 << 53) as f64
        };
        for _ in 0..2000 {
            let center = Point { longitude: draw() * 340.0 - 170.0, latitude: draw() * 140.0 - 70.0 };
            let radius = 10f64.powf(draw() * 5.0);
            let area = Area { center, shape: Shape::Circle { radius } };
            let cells: Vec<_> = area.cells().map(Cell::scores).collect();
            for _ in 0..20 {
                let point = Point {
                    longitude: center.longitude + (draw() - 0.5) * radius / 20_000.0,
                    latitude: center.latitude + (draw() - 0.5) * radius / 50_000.0,
                };
                if !point.is_valid() {
                    continue;
                }
                let score = score(point);
                if area.inside(place(score)).is_some() {
                    assert!(cells.iter().any(|&(from, to)| (from..to).contains(&score)), "{area:?} {point:?}");
                }
            }
        }
    }
}
