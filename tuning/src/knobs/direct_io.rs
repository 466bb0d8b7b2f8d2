//! Room: tuning, knob. Whether files can be written past the page cache.

use crate::host::Host;
use crate::knob::{Finding, Group, Knob, Reach};

pub struct DirectIo;

impl Knob for DirectIo {
    fn id(&self) -> &'static str {
        "direct-io"
    }

    fn name(&self) -> &'static str {
        "direct I/O in the server's folder"
    }

    fn group(&self) -> Group {
        Group::Storage
    }

    fn reach(&self) -> Reach {
        Reach::Host
    }

    fn recommended(&self) -> &'static str {
        "possible"
    }

    fn why(&self) -> &'static str {
        "Files written with direct I/O do not push the page cache through memory that the server counts on. File \
         systems without it (some FUSE and network ones, overlays over them) fall back to ordinary writes."
    }

    fn undo(&self) -> &'static str {
        "Nothing was set."
    }

    fn look(&self, host: &Host) -> Finding {
        let folder = host.folder.display();
        match (host.probes.direct_io)(&host.folder) {
            Ok(Some(align)) => Finding::good(format!("{folder}: yes, aligned to {align} bytes")),
            Ok(None) => Finding::good(format!("{folder}: yes")),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                Finding::off(format!("{folder}: no"), "--dir on a local ext4 or xfs")
            }
            Err(error) => Finding::unknown(format!("{folder}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Made;
    use crate::knob::Standing;
    use crate::knob::tests::check_one;
    use std::io;

    #[test]
    fn what_the_file_system_answers_is_told() {
        type Open = fn(&std::path::Path) -> io::Result<Option<u32>>;
        let cases: [(Open, Standing, &str); 4] = [
            (|_| Ok(Some(512)), Standing::Good, "aligned to 512"),
            (|_| Ok(None), Standing::Good, "yes"),
            (|_| Err(io::Error::from_raw_os_error(libc::EINVAL)), Standing::Off, "no"),
            (|_| Err(io::Error::from_raw_os_error(libc::EACCES)), Standing::Unknown, "denied"),
        ];
        for (number, (open, standing, mentions)) in cases.into_iter().enumerate() {
            let mut made = Made::of(&format!("direct-{number}"), &[]);
            made.host.probes.direct_io = open;
            check_one(&DirectIo, &made.host, standing, mentions);
        }
    }
}
