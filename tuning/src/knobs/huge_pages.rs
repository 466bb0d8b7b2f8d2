//! Room: tuning, knob. Transparent huge pages.

use crate::knob::{Finding, Host, Knob, Verdict};

pub struct HugePages;

const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

impl Knob for HugePages {
    fn name(&self) -> &'static str {
        "transparent huge pages"
    }

    fn recommended(&self) -> &'static str {
        "madvise (or never)"
    }

    fn why(&self) -> &'static str {
        "With always, the kernel may stop a thread to find and clear 2 MiB at a page fault, and keeps whole huge pages for a few \
         bytes (transhuge.rst). The server does not fork, so Redis's copying of huge pages after a fork does not arise here; \
         what is left is memory and now and then a late answer."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(text) = host.read(FILE) else { return Finding::unknown(format!("{FILE} cannot be read")) };
        // The chosen word stands in brackets.
        let chosen = text.split(['[', ']']).nth(1).unwrap_or("").to_string();
        match chosen.as_str() {
            "madvise" | "never" => Finding::good(chosen),
            "always" => Finding::of(Verdict::Poor, chosen, format!("echo madvise > {FILE}")),
            _ => Finding::unknown(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::tests::check;

    #[test]
    fn the_choice_is_judged() {
        check(
            &HugePages,
            &[
                (&[(FILE, "always [madvise] never\n")], Verdict::Good, "madvise"),
                (&[(FILE, "always madvise [never]\n")], Verdict::Good, "never"),
                (&[(FILE, "[always] madvise never\n")], Verdict::Poor, "always"),
                (&[(FILE, "strange\n")], Verdict::Unknown, "strange"),
                (&[], Verdict::Unknown, "cannot be read"),
            ],
        );
    }
}
