//! What an archive says of its image: the configuration and the layers, of the image for
//! this kind of machine if there are several.

use super::archive::{Archive, parse};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::PathBuf;

/// How deep indexes may be in one another.
const MOST_INDEXES: u32 = 8;

/// An image.
pub struct Image {
    /// What its program is and how it is run (`config` of an image configuration).
    pub config: Value,
    /// Archives of the changes to its files, the first to be applied first.
    pub layers: Vec<PathBuf>,
}

impl Image {
    /// The image for Linux on AArch64.
    ///
    /// # Errors
    /// There is none, or the archive is not whole.
    pub fn find(archive: &Archive) -> Result<Image> {
        if let Some(index) = archive.json("index.json")? {
            return of_index(archive, &index, MOST_INDEXES);
        }
        match archive.json("manifest.json")? {
            Some(images) => of_saved(archive, &images),
            None => bail!(
                "there is neither `index.json` nor `manifest.json`: is it an archive of `docker save`, `podman save` or `skopeo copy`?"
            ),
        }
    }
}

fn of_index(archive: &Archive, index: &Value, levels: u32) -> Result<Image> {
    ensure!(levels != 0, "the image's indexes have no end");
    let manifests = index["manifests"].as_array();
    let manifests = manifests.context("the index names no images")?;
    let mut others = Vec::new();
    for descriptor in manifests {
        let platform = &descriptor["platform"];
        if platform.is_object() && !fits(platform) {
            others.push(shown(platform));
            continue;
        }
        let found = parse(&archive.blob(descriptor)?)?;
        if found["manifests"].is_array() {
            return of_index(archive, &found, levels - 1);
        }
        let config = parse(&archive.blob(&found["config"])?)?;
        if !fits(&config) {
            others.push(shown(&config));
            continue;
        }
        let layers = found["layers"].as_array();
        let layers = layers.context("the image names no layers")?.iter();
        return Ok(Image {
            config: config["config"].clone(),
            layers: layers
                .map(|layer| archive.blob(layer))
                .collect::<Result<_>>()?,
        });
    }
    Err(not_for_this(&others))
}

/// As `docker save` has it, in archives that have no index.
fn of_saved(archive: &Archive, images: &Value) -> Result<Image> {
    let named = |name: &Value| {
        let name = name.as_str().context("`manifest.json` names no files")?;
        archive
            .file(name)?
            .with_context(|| format!("{name} is missing"))
    };
    let images = images.as_array().context("`manifest.json` is no list")?;
    let mut others = Vec::new();
    for image in images {
        let config = parse(&named(&image["Config"])?)?;
        if !fits(&config) {
            others.push(shown(&config));
            continue;
        }
        let layers = image["Layers"].as_array();
        let layers = layers.context("the image names no layers")?;
        return Ok(Image {
            config: config["config"].clone(),
            layers: layers.iter().map(named).collect::<Result<_>>()?,
        });
    }
    Err(not_for_this(&others))
}

/// Whether a platform, or a configuration, is of this kind of machine.
fn fits(platform: &Value) -> bool {
    platform["os"] == "linux" && platform["architecture"] == "arm64"
}

fn shown(platform: &Value) -> String {
    let field = |name: &str| platform[name].as_str().unwrap_or("unknown").to_owned();
    format!("{}/{}", field("os"), field("architecture"))
}

fn not_for_this(others: &[String]) -> anyhow::Error {
    match others {
        [] => anyhow::anyhow!("there is no image in it"),
        _ => anyhow::anyhow!(
            "the image is for {}, and Paddock runs linux/arm64: pull it with `--platform linux/arm64`",
            others.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;
    use std::path::Path;

    /// An archive of these files, and whatever comes of it.
    fn found(name: &str, files: &[(&str, &str)]) -> Result<Image> {
        let folder = std::env::temp_dir().join(format!("oci-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let image = Image::find(&Archive::unpack(&folder, Path::new("/nowhere")).unwrap());
        fs::remove_dir_all(&folder).unwrap();
        image
    }

    #[test]
    fn saved_images_are_found_by_their_platform() {
        let manifest =
            r#"[{"Config":"x.json","Layers":["1.tar"]},{"Config":"a.json","Layers":["1.tar"]}]"#;
        let other = r#"{"os":"linux","architecture":"amd64"}"#;
        let ours = r#"{"os":"linux","architecture":"arm64","config":{"Cmd":["/a"]}}"#;
        let files = [
            ("manifest.json", manifest),
            ("x.json", other),
            ("a.json", ours),
            ("1.tar", ""),
        ];
        let image = found("saved", &files).unwrap();
        assert_eq!(image.config, json!({"Cmd": ["/a"]}));
        assert_eq!(image.layers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error =
            |name: &str, files: &[(&str, &str)]| found(name, files).err().unwrap().to_string();
        assert!(error("empty", &[("a", "")]).contains("neither"));
        let manifest = r#"[{"Config":"x.json","Layers":[]}]"#;
        let other = r#"{"os":"linux","architecture":"amd64"}"#;
        let wrong = error("amd64", &[("manifest.json", manifest), ("x.json", other)]);
        assert!(wrong.contains("linux/amd64"), "{wrong}");
        let leaves = r#"[{"Config":"../x.json","Layers":[]}]"#;
        assert!(error("leaves", &[("manifest.json", leaves)]).contains("leaves"));
        let index = r#"{"manifests":[{"digest":"sha256:00"}]}"#;
        assert!(error("missing", &[("index.json", index)]).contains("missing"));
        let damaged = error(
            "damaged",
            &[("index.json", index), ("blobs/sha256/00", "{}")],
        );
        assert!(damaged.contains("damaged"), "{damaged}");
    }
}
