//! Room: admin. Small verbs: TIME, LOLWUT.

use crate::engine::{Engine, Served};
use crate::version;
use base::number::parse_i64;
use base::{Args, Fault};

pub(super) fn time(engine: &mut Engine, index: u32) -> Served {
    let us = engine.now.unix_us;
    engine.answer(index, |r| {
        r.array(2);
        r.bulk((us / 1_000_000).to_string().as_bytes());
        r.bulk((us % 1_000_000).to_string().as_bytes());
    });
    Served::Done
}

const ART_COLUMNS_MAX: i64 = 120;
const ART_ROWS_MAX: i64 = 60;

/// A landscape of random ridges, new every time. `LOLWUT [VERSION v] [columns [rows]]`; every version draws the same.
pub(super) fn lolwut(engine: &mut Engine, index: u32, args: Args<'_>) -> Served {
    let mut words = args.from(1);
    if args.len() >= 3 && args.is(1, "version") {
        if parse_i64(args.at(2)).is_none() {
            return engine.refuse(index, None, &Fault::NotInteger);
        }
        words = args.from(3);
    }
    let mut size = [66, 12];
    for (place, word) in size.iter_mut().zip(words.iter()) {
        match parse_i64(word) {
            None => return engine.refuse(index, None, &Fault::NotInteger),
            Some(n) => *place = n,
        }
    }
    let (columns, rows) = (size[0].clamp(1, ART_COLUMNS_MAX) as usize, size[1].clamp(1, ART_ROWS_MAX) as usize);
    let text = landscape(columns, rows, || engine.random());
    engine.answer(index, |r| r.verbatim("txt", text.as_bytes()));
    Served::Done
}

fn landscape(columns: usize, rows: usize, mut random: impl FnMut() -> u64) -> String {
    const SHADES: [char; 4] = ['.', ':', '+', '#'];
    let mut picture = vec![vec![' '; columns]; rows];
    // The sky first, ridges from far to near over it.
    for _ in 0..columns * rows / 40 {
        let (x, y) = (random() as usize % columns, random() as usize % rows);
        picture[y][x] = ['*', '\'', '`'][random() as usize % 3];
    }
    for (i, shade) in SHADES.into_iter().enumerate() {
        let mut height = (rows * (SHADES.len() - i) / (SHADES.len() + 2)) as i64;
        for x in 0..columns {
            height = (height + (random() % 3) as i64 - 1).clamp(1, rows as i64);
            picture[rows - height as usize..].iter_mut().for_each(|row| row[x] = shade);
        }
    }
    let mut text: String =
        picture.iter().map(|row| row.iter().collect::<String>().trim_end().to_string() + "\n").collect();
    // Libraries' tests look for the first of these words.
    text += &format!("\nRedis ver. {} is what is spoken here.\nTorc ver. {}\n", version::REDIS, version::TORC);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landscape_of_any_size() {
        let mut n = 7u64;
        for (columns, rows) in [(1, 1), (66, 12), (120, 60), (1, 60), (120, 1)] {
            let text = landscape(columns, rows, || {
                n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                n >> 33
            });
            assert_eq!(text.lines().count(), rows + 3);
            assert!(text.lines().all(|l| l.chars().count() <= columns.max(40)));
            assert!(text.ends_with(&format!("Torc ver. {}\n", version::TORC)) && text.contains("Redis ver."));
        }
    }
}
