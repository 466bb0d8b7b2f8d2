//! Room: benches, regress. The base commit as a tree of files: a git worktree that stays under target/, so that the next
//! comparison with it builds nothing. Touches: git.

use crate::cargo;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where comparisons keep their trees and builds.
pub fn folder() -> PathBuf {
    cargo::workspace().join("target/regress")
}

/// A worktree of `commit`; its path and the commit's full name.
pub fn of(commit: &str) -> Result<(PathBuf, String), String> {
    let workspace = cargo::workspace();
    let commit =
        git(&workspace, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{commit}^{{commit}}")])
            .map_err(|_| format!("'{commit}' is no commit of {}", workspace.display()))?;
    let tree = folder().join(format!("tree-{}", &commit[..12]));
    if tree.join("Cargo.toml").is_file() {
        let clean = git(&tree, &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        if clean && git(&tree, &["rev-parse", "HEAD"])? == commit {
            return Ok((tree, commit));
        }
        return Err(format!("{} is not what it was: remove it (git worktree remove --force)", tree.display()));
    }
    // Trees that were deleted together with target/ are forgotten first, or git refuses to make them anew.
    git(&workspace, &["worktree", "prune"])?;
    let path = tree.to_str().ok_or_else(|| format!("{} is no text", tree.display()))?;
    git(&workspace, &["worktree", "add", "--detach", "--quiet", path, &commit])?;
    Ok((tree, commit))
}

fn git(tree: &Path, args: &[&str]) -> Result<String, String> {
    let done = Command::new("git").arg("-C").arg(tree).args(args).stdin(Stdio::null()).output();
    let done = done.map_err(|e| format!("git does not start: {e}"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_string())
    } else {
        Err(format!("git {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
    }
}
