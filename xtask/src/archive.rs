//! An archive of one directory: the same bytes for the same content, whoever packs it and when.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Files of a directory.
pub(crate) struct Archive {
    directory: String,
    files: Vec<(String, u32, Vec<u8>)>,
}

impl Archive {
    /// Nothing yet, of a directory with that name.
    pub(crate) fn new(directory: String) -> Self {
        Archive { directory, files: Vec::new() }
    }

    /// A file.
    pub(crate) fn add(&mut self, name: &str, content: Vec<u8>) {
        self.files.push((name.to_owned(), 0o644, content));
    }

    /// A file that can be run.
    pub(crate) fn add_program(&mut self, name: &str, path: &Path) -> anyhow::Result<()> {
        let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        self.files.push((name.to_owned(), 0o755, content));
        Ok(())
    }

    /// Its name, and its bytes; what is in it has a list of checksums.
    pub(crate) fn pack(mut self) -> anyhow::Result<(String, Vec<u8>)> {
        self.files.sort();
        let sums: String = self.files.iter().map(|(name, _, content)| sum_line(content, name)).collect();
        self.add("SHA256SUMS", sums.into_bytes());
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        for (name, mode, content) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(0);
            header.set_cksum();
            tar.append_data(&mut header, format!("{}/{name}", self.directory), &content[..])?;
        }
        let mut gzip = tar.into_inner()?;
        gzip.flush()?;
        Ok((format!("{}.tar.gz", self.directory), gzip.finish()?))
    }
}

/// As `sha256sum --check` reads it.
pub(crate) fn sum_line(content: &[u8], name: &str) -> String {
    let sum: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{sum}  {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_makes_the_same_archive() {
        let pack = |names: [&str; 2]| {
            let mut archive = Archive::new("a".to_owned());
            names.iter().for_each(|name| archive.add(name, name.as_bytes().to_vec()));
            archive.pack().unwrap()
        };
        assert_eq!(pack(["x", "y"]), pack(["y", "x"]));
        assert_eq!(pack(["x", "y"]).0, "a.tar.gz");
    }

    #[test]
    fn sums_are_lines_that_the_tools_check() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  nothing\n";
        assert_eq!(sum_line(b"", "nothing"), empty);
    }
}
