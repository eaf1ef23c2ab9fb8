//! A disk from the image of a container: its files, layer over layer, and its program as
//! a service of herd's.

use anyhow::{Context, Result};
use paddock_tests::http;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::disk::{self, Contents};
use xtask::machine::{LIMIT, machine, test_folder, test_programs};
use xtask::process::{capture, text_of, tool};
use xtask::{busybox, oci};

/// An image in the making, in a folder of this host.
struct Layout {
    folder: PathBuf,
    layers: Vec<(String, u64)>,
}

impl Layout {
    fn new(folder: &Path) -> Result<Layout> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        Ok(Layout {
            folder: folder.to_owned(),
            layers: Vec::new(),
        })
    }

    /// Puts a file among the blobs: its digest and length.
    fn blob(&self, file: &Path) -> Result<(String, u64)> {
        let sum = text_of(tool("sha256sum")?.arg(file))?;
        let digest = sum.split(' ').next().context("no digest")?.to_owned();
        let length = fs::metadata(file)?.len();
        fs::rename(file, self.folder.join("blobs/sha256").join(&digest))?;
        Ok((digest, length))
    }

    fn json(&self, text: &str) -> Result<(String, u64)> {
        let file = self.folder.join("json");
        fs::write(&file, text)?;
        self.blob(&file)
    }

    /// A layer of what `script` makes, run by a shell in an empty folder.
    fn layer(&mut self, script: &str, options: &[&str]) -> Result<()> {
        let dir = self.folder.with_extension("layer");
        fs::create_dir_all(&dir)?;
        capture(tool("sh")?.args(["-ec", script]).current_dir(&dir))?;
        let file = self.folder.join("layer");
        let mut tar = tool("tar")?;
        tar.args(options).arg("-cf").arg(&file).arg("-C").arg(&dir);
        capture(tar.arg("."))?;
        fs::remove_dir_all(&dir)?;
        let layer = self.blob(&file)?;
        self.layers.push(layer);
        Ok(())
    }

    /// The archive of the image.
    fn pack(&self, config: &str, out: &Path) -> Result<()> {
        let (config, length) = self.json(&format!(
            r#"{{"os":"linux","architecture":"arm64","config":{config}}}"#
        ))?;
        let mut layers = String::new();
        for (digest, size) in &self.layers {
            let comma = if layers.is_empty() { "" } else { "," };
            write!(
                layers,
                r#"{comma}{{"digest":"sha256:{digest}","size":{size}}}"#
            )?;
        }
        let (manifest, size) = self.json(&format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{config}","size":{length}}},"layers":[{layers}]}}"#
        ))?;
        fs::write(
            self.folder.join("index.json"),
            format!(
                r#"{{"schemaVersion":2,"manifests":[
                    {{"digest":"sha256:00","size":1,"platform":{{"os":"linux","architecture":"amd64"}}}},
                    {{"digest":"sha256:{manifest}","size":{size},"platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#
            ),
        )?;
        capture(
            tool("tar")?
                .arg("-cf")
                .arg(out)
                .arg("-C")
                .arg(&self.folder)
                .arg("."),
        )?;
        Ok(())
    }
}

const CONFIG: &str = r#"{
    "Entrypoint": ["/usr/bin/serve", "-f"], "Cmd": ["-p", "80", "-h", "/data"],
    "Env": ["GREETING=hello from the image"], "User": "app", "WorkingDir": "/data",
    "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGTERM"}"#;

#[test]
fn the_image_of_a_container_runs_as_a_service() -> Result<()> {
    let folder = test_folder().join("oci");
    let program = busybox::ensure()?;
    let mut layout = Layout::new(&folder)?;
    let first = format!(
        "mkdir -p usr/bin usr/lib etc srv/data/old home/app
         cp {} usr/lib/busybox && ln -s usr/bin bin
         printf '#!/bin/sh\\necho \"$GREETING, $(id -un) in $(pwd)\"\\nexec /usr/lib/busybox httpd \"$@\"\\n' > usr/bin/serve
         chmod 755 usr/bin/serve usr/lib/busybox
         echo old > srv/data/old/file; echo gone > srv/gone
         echo 'app:x:1234:77::/home/app:/bin/sh' > etc/passwd; echo 'app:x:77:' > etc/group
         echo 'ID=sample' > etc/os-release; ln -s /srv/data data",
        program.display()
    );
    layout.layer(&first, &["-z", "--owner=0", "--group=0", "--numeric-owner"])?;
    let second = "mkdir -p srv/data data && touch srv/.wh.gone srv/data/.wh..wh..opq
         echo 'what the image serves' > srv/data/index.html
         chmod 640 srv/data/index.html; rmdir data";
    layout.layer(second, &["--owner=1234", "--group=77", "--numeric-owner"])?;
    let archive = test_folder().join("sample.tar");
    layout.pack(CONFIG, &archive)?;

    let mut contents = Contents::default();
    oci::add(&mut contents, &archive)?;
    let image = test_folder().join("oci.img");
    disk::make(&image, &contents, &test_programs()?)?;
    let machine = machine("oci").disk(&image).up()?;
    http::wait_for(machine.http_port(), "/", "what the image serves", LIMIT)?;
    let log = machine.sh("herd log sample; herd check")?;
    assert!(
        log.contains("hello from the image, app in /srv/data"),
        "{log}"
    );
    let found = machine.sh(
        "stat -c '%a %u %g' /data/index.html; ls -A /srv /srv/data; readlink /data; \
         grep -o 'ID_LIKE.*' /etc/os-release; id -un; id app",
    )?;
    let ports = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let set = machine.sh(&format!(
        "cat {ports}; for port in 65536 60000 -1 x; do echo $port > {ports} && echo taken: $port; done 2>/dev/null; \
         echo 1024 > {ports}; cat {ports}"
    ))?;
    assert_eq!(set, "0\n1024\n");
    let wanted = "640 1234 77\n/srv:\ndata\nwww\n\n/srv/data:\nindex.html\nsrv/data\n\
                  ID_LIKE=\"sample\"\nroot\nuid=1234(app) gid=77(app) groups=77(app)\n";
    assert_eq!(found, wanted);
    machine.off()
}
