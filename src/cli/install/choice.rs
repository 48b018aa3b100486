//! Which server program is sent to a host.

use std::path::{Path, PathBuf};

use super::platform::{Built, Platform};

/// The name of all of them.
const NAME: &str = "reattach-server";

/// The program for that host: the one that was named; the one beside ours; one that was kept for such hosts. One
/// that needs no library of the host's is taken before one that does.
///
/// # Errors
///
/// One sentence.
pub(super) fn choose(named: Option<&Path>, host: &Platform, is_here: bool) -> Result<PathBuf, String> {
    if let Some(path) = named {
        return check_named(path, host);
    }
    let beside = beside_us().filter(|path| fits(path, host).is_some());
    let is_good = |path: &PathBuf| is_here || fits(path, host) == Some(true);
    if let Some(path) = beside.clone().filter(is_good) {
        return Ok(path);
    }
    let kept = kept_for(host);
    let found = kept.iter().find(|path| fits(path, host).is_some()).cloned();
    found.or(beside).ok_or_else(|| match kept.first() {
        Some(path) => format!(
            "there is no server for {host} here: put one at {}, or say where it is with --binary",
            path.display()
        ),
        None => format!("no server for {host} is known here: say where one is with --binary"),
    })
}

fn check_named(path: &Path, host: &Platform) -> Result<PathBuf, String> {
    let fail = |why: String| Err(format!("{} {why}", path.display()));
    match Built::of(path) {
        Err(error) => fail(format!("cannot be read: {error}")),
        Ok(None) => fail("is not a program that can be told here to run there".to_owned()),
        Ok(Some(built)) if built.platform != *host => {
            fail(format!("is for {}, and the host is {host}", built.platform))
        }
        Ok(Some(_)) => Ok(path.to_owned()),
    }
}

/// Whether it runs on such a host, and needs nothing else there.
fn fits(path: &Path, host: &Platform) -> Option<bool> {
    let built = Built::of(path).ok().flatten()?;
    (built.platform == *host).then_some(built.is_static)
}

fn beside_us() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.with_file_name(NAME))
}

/// Where servers for such hosts are looked for: in the user's own place, and where our archive was unpacked.
fn kept_for(host: &Platform) -> Vec<PathBuf> {
    let own = std::env::home_dir().map(|home| home.join(".local/share/reattach/servers"));
    let unpacked = std::env::current_exe().ok().and_then(|us| Some(us.parent()?.join("servers")));
    let roots: Vec<PathBuf> = own.into_iter().chain(unpacked).collect();
    let targets = host.targets();
    let of_root =
        |root: &PathBuf| targets.iter().map(|target| root.join(target).join(NAME)).collect::<Vec<_>>();
    roots.iter().flat_map(of_root).collect()
}
