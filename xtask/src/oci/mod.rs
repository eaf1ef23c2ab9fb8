//! A disk and a service from the image of a container: an archive as of the OCI image
//! layout (image-spec 1.1), or as `docker save` writes it. The image's files are the
//! disk's; herd, BusyBox and the SSH keys are beside them.

mod archive;
mod image;
mod layers;
mod service;

use crate::disk::{Base, Contents, room_for};
use crate::step::{note, timed};
use crate::{paths, step};
use anyhow::{Context, Result};
use archive::Archive;
use image::Image;
use layers::Tree;
use service::Service;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the service that is made of the archive `file`, and of its disk.
pub fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split(".tar").next().unwrap_or_default();
    let kept = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name = name.replace(|c| !kept(c), "-");
    let name = name.trim_start_matches(['-', '_', '.']);
    match name {
        "" => "service".to_owned(),
        name => name.to_owned(),
    }
}

/// Where the disk of an image is that `cargo xtask run` makes.
pub fn image_of(file: &Path) -> PathBuf {
    paths::out().join(format!("oci-{}.img", name_of(file)))
}

/// Puts the image of a container onto a disk, which grows as it needs it, with a service
/// that runs its program.
///
/// # Errors
/// An archive that is no image, is not for Linux on AArch64, or is not what its digests
/// say; a disk of this host that is full.
pub fn add(contents: &mut Contents, file: &Path) -> Result<()> {
    step::step(&format!("Reading the image in {}", file.display()));
    let dir = paths::out().join("oci");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
    }
    let (root, over) = (dir.join("root"), dir.join("over"));
    fs::create_dir_all(&over)?;
    let archive = Archive::unpack(file, &dir.join("archive"))?;
    let image = Image::find(&archive).with_context(|| format!("in {}", file.display()))?;
    let tree = timed(&format!("Unpacking {} layers", image.layers.len()), || {
        let mut tree = Tree::new(&root)?;
        for layer in &image.layers {
            tree.apply(layer)
                .with_context(|| format!("in the layer {}", layer.display()))?;
        }
        tree.keep_links_inside()?;
        Ok(tree)
    })?;
    let service = Service::of(&name_of(file), &image.config).lay_over(&tree, &over)?;
    tell(&service, &tree);
    contents.size = contents.size.max(room_for(&root)?);
    contents
        .leave_out
        .push("/etc/herd/enabled/httpd.conf".into());
    contents.add.insert(0, (over, "/".into()));
    contents.base = Some(Base {
        tree: root,
        attributes: tree.attributes,
    });
    Ok(())
}

fn tell(service: &Service, tree: &Tree) {
    if tree.skipped != 0 {
        note(&format!(
            "{} devices and FIFOs of the image are left out: /dev has the machine's",
            tree.skipped
        ));
    }
    match service.command.is_empty() {
        true => note("the image names no program: no service is made"),
        false => note(&format!("{} runs as a service", service.name)),
    }
    for port in &service.ports {
        note(&format!(
            "it listens at {port}: `run --publish HOST:{port}` lets this host reach that"
        ));
    }
    for left_out in &service.left_out {
        note(left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_names_of_their_archives() {
        let name = |file: &str| name_of(Path::new(file));
        assert_eq!(name("/tmp/redis.tar"), "redis");
        assert_eq!(name("my app:1.2.tar.gz"), "my-app-1.2");
        assert_eq!(name(".tar"), "service");
        assert_eq!(name("-x"), "x");
    }
}
