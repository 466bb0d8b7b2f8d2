//! What MONITOR and the slow log must not show: passwords.

use base::{Args, ArgsBuf};
use command::row::{Row, Run, Verb};

/// Redis's word for what is not shown.
const BLANK: &[u8] = b"(redacted)";

/// The words of an ask with its secrets blanked out, if it has any.
pub(super) fn blanked(row: &Row, args: Args<'_>) -> Option<ArgsBuf> {
    let Run::Server(verb) = row.run else { return None };
    let secret: Vec<usize> = match verb {
        Verb::Auth => (1..args.len()).collect(),
        Verb::Hello => {
            let auth = (2..args.len()).filter(|&i| args.is(i, "auth"));
            auth.flat_map(|i| [i + 1, i + 2]).collect()
        }
        Verb::ConfigSet => {
            let names = (2..args.len()).step_by(2);
            let sensitive = |i: &usize| crate::config::row::find(args.at(*i)).is_some_and(|found| found.row.sensitive);
            names.filter(sensitive).map(|i| i + 1).collect()
        }
        _ => return None,
    };
    if secret.is_empty() {
        return None;
    }
    Some(args.iter().enumerate().map(|(i, word)| if secret.contains(&i) { BLANK } else { word }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_blanked() {
        let cases = [
            ("AUTH p", "AUTH (redacted)"),
            ("auth u p", "auth (redacted) (redacted)"),
            ("HELLO 3 AUTH u p SETNAME n", "HELLO 3 AUTH (redacted) (redacted) SETNAME n"),
            ("HELLO 3 SETNAME n", "HELLO 3 SETNAME n"),
            ("CONFIG SET maxmemory 1 requirepass p port 1", "CONFIG SET maxmemory 1 requirepass (redacted) port 1"),
            ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 1"),
            ("SET auth p", "SET auth p"),
            ("ECHO p", "ECHO p"),
        ];
        for (ask, want) in cases {
            let words: ArgsBuf = ask.split(' ').map(str::as_bytes).collect();
            let row = command::table::resolve(words.args()).unwrap();
            let shown = blanked(row, words.args()).unwrap_or_else(|| words.clone());
            let shown: Vec<_> = shown.args().iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
            assert_eq!(shown.join(" "), want);
        }
    }
}
