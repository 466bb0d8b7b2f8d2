//! Room: tuning, knob. Transparent huge pages.

use crate::host::Host;
use crate::host::chosen;
use crate::knob::{Finding, Group, Knob, Reach};
pub struct HugePages;

const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

impl Knob for HugePages {
    fn id(&self) -> &'static str {
        "thp"
    }

    fn name(&self) -> &'static str {
        "transparent huge pages"
    }

    fn group(&self) -> Group {
        Group::Memory
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "madvise"
    }

    fn why(&self) -> &'static str {
        "The server asks for huge pages for its entries, so that fewer pages are looked up in the TLB \
         (transhuge.rst), and has a thread of its own clear them; never refuses them. With always, the kernel may stop \
         any thread to find and clear 2 MiB at a page fault, and keeps whole huge pages for a few bytes. The server \
         does not fork, so Redis's copying of huge pages after a fork does not arise here."
    }

    fn undo(&self) -> &'static str {
        "Write the former word to the file (torc-tune undo); processes keep the pages they have."
    }

    fn look(&self, host: &Host) -> Finding {
        let Some(text) = host.read(FILE) else { return Finding::unknown(format!("{FILE} cannot be read")) };
        match chosen(&text) {
            Some("madvise") => Finding::good("madvise"),
            Some(word @ ("always" | "never")) => {
                Finding::off(word, format!("echo madvise > {FILE}")).wanted("madvise").change(FILE, "madvise")
            }
            _ => Finding::unknown(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::Standing;
    use crate::knob::tests::check;

    #[test]
    fn the_choice_is_judged() {
        check(
            &HugePages,
            &[
                (&[(FILE, "always [madvise] never\n")], Standing::Good, "madvise"),
                (&[(FILE, "always madvise [never]\n")], Standing::Off, "never"),
                (&[(FILE, "[always] madvise never\n")], Standing::Off, "always"),
                (&[(FILE, "odd\n")], Standing::Unknown, "odd"),
                (&[], Standing::Unknown, "cannot be read"),
            ],
        );
    }
}
