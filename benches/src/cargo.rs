//! Room: benches. Where this project lies, and building its server with cargo. Touches: cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the workspace this program was built from.
pub fn workspace() -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    benches.parent().unwrap_or(benches).to_path_buf()
}

/// The folder of cargo's that this program lies in, and the name of its profile.
fn place() -> Result<(PathBuf, String), String> {
    let this = std::env::current_exe().map_err(|e| format!("where this program lies: {e}"))?;
    let folder = this.parent().unwrap_or(Path::new("/"));
    let profile = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok((folder.to_path_buf(), if profile == "debug" { "dev".into() } else { profile.into() }))
}

/// The profile that this program was built with.
pub fn profile() -> Result<String, String> {
    place().map(|(_, profile)| profile)
}

/// The server of this tree; TORC_BENCH_TORC names one that is built already.
pub fn torc_beside() -> Result<PathBuf, String> {
    match std::env::var_os("TORC_BENCH_TORC") {
        Some(program) => Ok(program.into()),
        None => beside("node", "torc"),
    }
}

/// A program of this tree, built like this one itself: the same profile, the same target folder.
pub fn beside(package: &str, name: &str) -> Result<PathBuf, String> {
    let (folder, profile) = place()?;
    let program = folder.join(name);
    if !workspace().join("Cargo.toml").is_file() {
        // This program was taken elsewhere; what was taken along is what is meant.
        return if program.is_file() { Ok(program) } else { Err(format!("no {name} in {}", folder.display())) };
    }
    let target = folder.parent().ok_or_else(|| format!("{} is not cargo's target folder", folder.display()))?;
    build(&workspace(), target, &profile, &["-p", package, "--bin", name])?;
    Ok(program)
}

/// An example of this package, built with `profile` beside this program.
pub fn example(name: &str, profile: &str) -> Result<PathBuf, String> {
    let (folder, _) = place()?;
    let target = folder.parent().ok_or_else(|| format!("{} is not cargo's target folder", folder.display()))?;
    // Together with the programs' packages: what is built with the features of all is not built again (.ci/run build).
    let packages = ["-p", "node", "-p", "loadgen", "-p", "benches"];
    build(&workspace(), target, profile, &[&["--locked", "--example", name], &packages[..]].concat())?;
    Ok(target.join(profile).join("examples").join(name))
}

/// `cargo build` in `tree`; what it has to say is shown only when it fails.
pub fn build(tree: &Path, target: &Path, profile: &str, what: &[&str]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--profile", profile, "--target-dir"]).arg(target).args(what).current_dir(tree);
    // What cargo tells a program that it runs must not reach the cargo that the program runs.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    let done = command.stdin(Stdio::null()).output().map_err(|e| format!("cargo does not start: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let lines: Vec<&str> = said.lines().collect();
    Err(format!(
        "cargo build {} in {} failed:\n{}",
        what.join(" "),
        tree.display(),
        lines[lines.len().saturating_sub(30)..].join("\n")
    ))
}

/// The commit of `tree`, with `+` when files differ from it.
pub fn commit_of(tree: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let done = Command::new("git").arg("-C").arg(tree).args(args).stdin(Stdio::null()).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_string())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|list| !list.is_empty());
    Some(if changed { format!("{commit}+") } else { commit })
}
