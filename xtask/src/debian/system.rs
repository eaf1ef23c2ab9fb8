//! A disk on which Debian's packages are installed: unpacked here, configured by
//! dpkg on the machine when it boots first, with herd, BusyBox and the SSH
//! keys beside them.

use super::apt::Apt;
use super::{database, package};
use crate::accounts::locked;
use crate::disk::{AttributesOf, Base, Contents, LIBRARY, room_for};
use crate::overlay::Overlay;
use crate::step::{note, timed};
use crate::{paths, step};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What Debian's packages take for granted (apt-patterns(7)), on a disk that is
/// laid out as theirs are today. The awk is named, as another that is asked for would
/// take its place, and not be configured first.
const ESSENTIAL: [&str; 3] = ["?essential", "usr-is-merged", "mawk"];
/// Folders that are links to those of the same names in `/usr`.
const MERGED: [&str; 3] = ["bin", "sbin", "lib"];
/// What `preinst` scripts take for granted besides.
const PREPARING: [&str; 2] = ["adduser", "debconf"];
/// Services of whose default port others are, if they are there.
const WEB_SERVERS: [&str; 3] = ["nginx", "apache2", "lighttpd"];

/// Configures what is unpacked, once.
const CONFIGURE: &str = "\
#!/bin/sh
# Configures the packages that this disk was made with, when it boots first.
done=/var/lib/paddock/debian-configured
[ -e $done ] && exit 0
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8
mkdir -p /run/lock
# What scripts run before a package is unpacked takes for granted.
dpkg --configure --force-confold $(cat /usr/lib/paddock/debian-base) || exit 1
for package in $(dpkg-query -W -f '${db:Status-Abbrev}|${binary:Package}\n' | sed -n 's/^iU *|//p'); do
    script=/var/lib/dpkg/info/$package.preinst
    [ -x $script ] || continue
    echo \"Preparing $package ...\"
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=${package%:*} \\
        DPKG_MAINTSCRIPT_ARCH=arm64 DPKG_ROOT= $script install || exit 1
done
dpkg --configure -a --force-confold || {
    echo 'some packages are not configured: `dpkg --audit` names them, `dpkg --configure -a` tries again' >&2
    exit 1
}
mkdir -p ${done%/*} && : > $done && echo 'all packages are configured'
";
const SERVICE: &str = "\
# Configures Debian's packages when the machine boots first.
type = \"oneshot\"
command = [\"/usr/lib/paddock/debian-configure\"]
start_timeout = \"1h\"
restart = \"never\"
";
/// Packages' scripts ask this whether they may start a daemon: herd does that.
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// Where the disk with these packages is that `cargo xtask run` makes.
pub fn image_of(packages: &[String]) -> PathBuf {
    paths::out().join(format!("debian-{}.img", packages.join("+")))
}

/// Fetches packages and all that they need, and adds them to a disk, which
/// grows as they need it.
pub fn add(contents: &mut Contents, packages: &[String]) -> Result<()> {
    for name in packages {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let fits = !name.is_empty() && !name.starts_with('-') && name.chars().all(is_name);
        ensure!(fits, "`{name}` is not the name of a Debian package");
    }
    step::step(&format!(
        "Fetching Debian's {} for arm64",
        packages.join(", ")
    ));
    let apt = Apt::shared()?;
    apt.update()?;
    let mut wanted = ESSENTIAL.to_vec();
    wanted.extend(packages.iter().map(String::as_str));
    let debs = apt.fetch(&wanted)?;
    let first = apt.names(&[ESSENTIAL.as_slice(), &PREPARING].concat())?;
    let dir = paths::out().join("debian/system");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
    }
    let (base, over) = (dir.join("root"), dir.join("over"));
    fs::create_dir_all(&base)?;
    fs::create_dir_all(&over)?;
    for name in MERGED {
        fs::create_dir_all(base.join("usr").join(name))?;
        symlink(format!("usr/{name}"), base.join(name))?;
    }
    let mut attributes = AttributesOf::new();
    let names = timed(&format!("Unpacking {} packages", debs.len()), || {
        unpack(&debs, &base, &mut attributes)
    })?;
    let attributes = attributes
        .into_iter()
        .map(|(path, found)| (merged(path), found));
    lay_over(&base, &over, &names)?;
    fs::write(over.join("usr/lib/paddock/debian-base"), first.join("\n"))?;
    if WEB_SERVERS
        .iter()
        .any(|name| names.iter().any(|it| it == name))
    {
        contents
            .leave_out
            .push("/etc/herd/enabled/httpd.conf".into());
    }
    contents.size = contents.size.max(room_for(&base)?);
    contents.add.insert(0, (over, "/".into()));
    contents.base = Some(Base {
        tree: base,
        attributes: attributes.collect(),
    });
    note(
        "dpkg configures them on the machine when it boots first: `herd log debian-configure` shows how",
    );
    Ok(())
}

/// Where a path is that packages have in a folder that is a link.
fn merged(path: PathBuf) -> PathBuf {
    let is_below = |name: &str| path.starts_with(name) && path != Path::new(name);
    match MERGED.iter().any(|name| is_below(name)) {
        true => Path::new("usr").join(path),
        false => path,
    }
}

/// The names of the packages.
fn unpack(debs: &[PathBuf], tree: &Path, attributes: &mut AttributesOf) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    let mut names = Vec::new();
    for deb in debs {
        let control = package::Package::read(deb)?;
        let paths = package::unpack(deb, tree, attributes)?;
        names.extend(control.field("Package").map(str::to_owned));
        packages.push((control, paths));
    }
    database::write(tree, &packages)?;
    Ok(names)
}

/// What comes on top of packages and default tree.
fn lay_over(base: &Path, over: &Path, packages: &[String]) -> Result<()> {
    let over = Overlay(over);
    over.write("usr/lib/paddock/debian-configure", CONFIGURE, 0o755)?;
    over.write("usr/sbin/policy-rc.d", POLICY, 0o755)?;
    let read = |path: &str| {
        let path = base.join(path);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let users = read("usr/share/base-passwd/passwd.master")?;
    over.write("etc/passwd", &users.replace(":*:", ":x:"), 0o644)?;
    over.write("etc/shadow", &locked(&users), 0o600)?;
    let groups = read("usr/share/base-passwd/group.master")?;
    over.write("etc/group", &groups, 0o644)?;
    let release = release(&read("usr/lib/os-release")?).to_owned();
    over.write("etc/apt/sources.list", &sources(&release), 0o644)?;
    let ours = paths::workspace().join("rootfs/etc/os-release");
    let ours = fs::read_to_string(&ours)?;
    let like = format!("{ours}ID_LIKE=debian\nVERSION_CODENAME={release}\n");
    over.write("etc/os-release", &like, 0o644)?;
    over.define("debian-configure", SERVICE)?;
    let library = paths::workspace().join("rootfs").join(LIBRARY);
    for name in packages {
        let definition = library.join(format!("{name}.conf"));
        if definition.exists() {
            over.define(name, &fs::read_to_string(&definition)?)?;
            note(&format!("{name} runs as a service"));
        }
    }
    Ok(())
}

/// The release that Debian's os-release(5) names.
fn release(os_release: &str) -> &str {
    let named = |line: &'_ str| line.starts_with("VERSION_CODENAME=");
    let line = os_release.lines().find(|line| named(line));
    line.and_then(|line| line.split_once('='))
        .map_or("stable", |(_, name)| name)
}

/// Where apt finds more packages of a release.
fn sources(release: &str) -> String {
    format!(
        "deb http://deb.debian.org/debian {release} main\n\
         deb http://deb.debian.org/debian {release}-updates main\n\
         deb http://deb.debian.org/debian-security {release}-security main\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_packages_go_where_the_links_lead() {
        assert_eq!(merged("bin/su".into()), Path::new("usr/bin/su"));
        assert_eq!(merged("bin".into()), Path::new("bin"));
        assert_eq!(merged("lib64/a".into()), Path::new("lib64/a"));
        assert_eq!(merged("usr/bin/su".into()), Path::new("usr/bin/su"));
    }

    #[test]
    fn sources_are_of_the_release() {
        let text = sources(release("ID=debian\nVERSION_CODENAME=bookworm\n"));
        assert!(text.contains(" bookworm-updates main\n"), "{text}");
    }
}
