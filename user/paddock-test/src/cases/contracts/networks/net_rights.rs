//! Who may do what in a network namespace: those with rights in the user namespace that it
//! belongs to.
use super::{flags_of, inet, set_flags, with_address};
use crate::cases::contracts::prelude::*;

const START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

pub fn run(t: &mut Report) -> Outcome {
    let outside = inet(SOCK_STREAM)?;
    let start = text(START);
    apart(t, |t| {
        become_nobody()?;
        yes!(t; "users and a network": unshare(CLONE_NEWUSER | CLONE_NEWNET););
        let own = inet(SOCK_STREAM)?;
        t.works("up", set_flags(own, "lo", IFF_UP as u16));
        t.same("is up", flags_of(own, "lo").map(|it| it & 1), Ok(1));
        t.works("a port below 1024", with_address(bind, own, &local_port(7)));
        yes!(t; "packets": socket(AF_INET, SOCK_RAW, IPPROTO_ICMP););
        let mark = 5i32;
        let marked = |fd: i32| raw!(SYS_setsockopt, fd, SOL_SOCKET, SO_MARK, &raw const mark, 4);
        t.works("a mark", marked(own));
        t.refused("of a socket outside", marked(outside), EPERM);
        t.refused("down, outside", set_flags(outside, "lo", 0), EPERM);
        t.refused(
            "a port outside",
            with_address(bind, outside, &local_port(7)),
            EACCES,
        );
        Ok(())
    })?;
    apart(t, |t| {
        yes!(t; "users alone": unshare(CLONE_NEWUSER););
        let own = inet(SOCK_STREAM)?;
        t.refused("have no rights outside", set_flags(own, "lo", 0), EPERM);
        t.refused(
            "nor packets",
            call!(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)),
            EPERM,
        );
        t.refused("nor ports", with_address(bind, own, &local_port(7)), EACCES);
        Ok(())
    })?;
    apart(t, |t| {
        yes!(t; "a network": unshare(CLONE_NEWNET););
        t.same("its first free port", text(START), "1024\n".into());
        file(START, b"80\n")?;
        t.same("is its own", text(START), "80\n".into());
        Ok(())
    })?;
    t.same("outside it is as it was", text(START), start);
    Ok(())
}
