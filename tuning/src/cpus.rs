//! Room: tuning. Sets of CPUs as the kernel writes them: lists (`0-3,8`) and masks (`ff,00000000`). Touches: nothing.

/// More than any Linux host has (NR_CPUS is at most 8192), so that a range in a file cannot fill memory.
const CPU_MOST: u32 = 8192;

/// Reads `0-3,8` to CPU numbers, rising and without repeats; `None` when it is no list. An empty text is the empty set.
pub fn list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= CPU_MOST {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// The shortest list.
pub fn list_text(cpus: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut at = 0;
    while at < cpus.len() {
        let mut end = at;
        while end + 1 < cpus.len() && cpus[end + 1] == cpus[end] + 1 {
            end += 1;
        }
        parts.push(match end - at {
            0 => cpus[at].to_string(),
            _ => format!("{}-{}", cpus[at], cpus[end]),
        });
        at = end + 1;
    }
    parts.join(",")
}

/// Reads a mask in hexadecimal words of 32 bits, the highest first.
pub fn mask(text: &str) -> Option<Vec<u32>> {
    let words: Vec<u32> =
        text.trim().split(',').map(|word| u32::from_str_radix(word, 16).ok()).collect::<Option<_>>()?;
    let mut cpus = Vec::new();
    for (place, word) in words.iter().rev().enumerate() {
        cpus.extend((0..32).filter(|bit| word >> bit & 1 == 1).map(|bit| place as u32 * 32 + bit));
    }
    Some(cpus)
}

pub fn mask_text(cpus: &[u32]) -> String {
    let words = cpus.iter().max().map_or(1, |most| most / 32 + 1);
    let mut mask = vec![0u32; words as usize];
    for cpu in cpus {
        mask[(cpu / 32) as usize] |= 1 << (cpu % 32);
    }
    let mut text: Vec<String> = mask.iter().rev().map(|word| format!("{word:08x}")).collect();
    if text.len() == 1 {
        text[0] = format!("{:x}", mask[0]);
    }
    text.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_drawn() {
        let cases: &[(&str, Option<&[u32]>, &str)] = &[
            ("0-3,8\n", Some(&[0, 1, 2, 3, 8]), "0-3,8"),
            ("", Some(&[]), ""),
            ("5", Some(&[5]), "5"),
            ("3,1-2,2", Some(&[1, 2, 3]), "1-3"),
            ("3-1", None, ""),
            ("x", None, ""),
            ("0-4294967295", None, ""),
        ];
        for (text, want, drawn) in cases {
            let read = list(text);
            assert_eq!(read.as_deref(), *want, "{text}");
            assert_eq!(list_text(&read.unwrap_or_default()), *drawn, "{text}");
        }
    }

    #[test]
    fn masks_are_read_and_drawn() {
        let cases: &[(&str, Option<&[u32]>, &str)] = &[
            ("0\n", Some(&[]), "0"),
            ("3", Some(&[0, 1]), "3"),
            ("00000001,80000000", Some(&[31, 32]), "00000001,80000000"),
            ("ff", Some(&[0, 1, 2, 3, 4, 5, 6, 7]), "ff"),
            ("zz", None, "0"),
        ];
        for (text, want, drawn) in cases {
            let read = mask(text);
            assert_eq!(read.as_deref(), *want, "{text}");
            assert_eq!(mask_text(&read.unwrap_or_default()), *drawn, "{text}");
        }
    }
}
