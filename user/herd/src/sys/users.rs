//! Users and groups, as `/etc/passwd` and `/etc/group` list them.

use std::path::Path;

use super::NotSpawned;
use super::fork::Ids;
use crate::config::Service;
use crate::files;

/// No list of users or groups is longer, in bytes.
const LIMIT: u64 = 16 << 20;

/// Who a service runs as.
pub(super) struct Account {
    pub(super) ids: Ids,
    /// Its folder, if a user was named.
    pub(super) home: Option<String>,
}

/// Who `service` runs as; `None` for herd's own user and groups.
///
/// # Errors
/// Whoever is not listed is named.
pub(super) fn account(service: &Service) -> Result<Option<Account>, NotSpawned> {
    let user = service.user.as_deref().map(user).transpose()?;
    let group = service.group.as_deref().map(group).transpose()?;
    let Some(main) = group.or(user.as_ref().map(|user| user.gid)) else {
        return Ok(None);
    };
    let mut groups = vec![main];
    if let Some(user) = &user {
        groups.extend(memberships(&user.name));
    }
    for name in &service.groups {
        groups.push(self::group(name)?);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(Some(Account {
        ids: Ids {
            user: user.as_ref().map(|user| user.uid),
            group: main,
            groups,
        },
        home: user.map(|user| user.home),
    }))
}

/// The number of a user by name or number.
pub(super) fn uid(name: &str) -> Result<u32, String> {
    user(name).map(|user| user.uid).map_err(|error| error.error)
}

/// The number of a group by name or number.
pub(super) fn gid(name: &str) -> Result<u32, String> {
    group(name).map_err(|error| error.error)
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

fn not_listed(key: &str, name: &str, list: &str) -> NotSpawned {
    NotSpawned {
        error: format!("{key}: {name}: not listed in {list}"),
        lasting: true,
    }
}

/// A user by name or number. A number that is not listed is its own group.
fn user(user: &str) -> Result<User, NotSpawned> {
    let list = files::read_text(Path::new("/etc/passwd"), LIMIT)
        .map_err(|error| format!("user: {user}: /etc/passwd: {error}"))?;
    for line in list.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else {
            continue;
        };
        if (*name == user || *uid == user)
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            let (name, home) = ((*name).to_owned(), (*home).to_owned());
            return Ok(User {
                name,
                uid,
                gid,
                home,
            });
        }
    }
    match user.parse() {
        Ok(number) => Ok(User {
            name: user.to_owned(),
            uid: number,
            gid: number,
            home: "/".to_owned(),
        }),
        Err(_) => Err(not_listed("user", user, "/etc/passwd")),
    }
}

/// A group by name, or any number.
fn group(group: &str) -> Result<u32, NotSpawned> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let list = files::read_text(Path::new("/etc/group"), LIMIT)
        .map_err(|error| format!("group: {group}: /etc/group: {error}"))?;
    let mut lines = list.lines().filter_map(Listed::read);
    let found = lines.find(|listed| listed.name == group);
    found
        .map(|listed| listed.gid)
        .ok_or_else(|| not_listed("group", group, "/etc/group"))
}

/// The groups that list `user`. Without the list, none do.
fn memberships(user: &str) -> Vec<u32> {
    let list = files::read_text(Path::new("/etc/group"), LIMIT).unwrap_or_default();
    let lines = list.lines().filter_map(Listed::read);
    lines
        .filter(|listed| listed.members.split(',').any(|member| member == user))
        .map(|listed| listed.gid)
        .collect()
}

/// A line of `/etc/group`.
struct Listed<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl Listed<'_> {
    fn read(line: &str) -> Option<Listed<'_>> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next()?.trim();
        Some(Listed { name, gid, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        let root = user("root").unwrap_or_else(|error| panic!("{}", error.error));
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(user("nobody-of-this-name").is_err_and(|error| error.lasting));
        assert!(group("nobody-of-this-name").is_err_and(|error| error.lasting));
        assert!(group("77").is_ok_and(|gid| gid == 77));
        let listed = Listed::read("adm:x:4:one,two").unwrap();
        assert_eq!(
            (listed.name, listed.gid, listed.members),
            ("adm", 4, "one,two")
        );
        assert!(Listed::read("torn:x").is_none());
    }
}
