//! IP_MTU_DISCOVER of ip(7) and IPV6_MTU_DISCOVER of ipv6(7).
use crate::cases::contracts::prelude::*;

fn get(fd: i32, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (0i32, 4u32);
    call!(getsockopt(
        fd,
        level,
        option,
        (&raw mut value).cast(),
        &raw mut length
    ))?;
    Ok(value)
}

fn set(fd: i32, level: i32, option: i32, value: i32) -> Result<i32, Errno> {
    call!(setsockopt(fd, level, option, (&raw const value).cast(), 4))
}

pub fn run(t: &mut Report) -> Outcome {
    let (four, six) = (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER);
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = call!(socket(AF_INET, kind, 0))?;
        t.same("wanted", get(fd, IPPROTO_IP, four), Ok(IP_PMTUDISC_WANT));
        for way in 0..=5 {
            t.works("each way", set(fd, IPPROTO_IP, four, way));
            t.same("is read back", get(fd, IPPROTO_IP, four), Ok(way));
        }
        t.refused("no way", set(fd, IPPROTO_IP, four, 6), EINVAL);
        t.refused("less than none", set(fd, IPPROTO_IP, four, -1), EINVAL);
        let fd = call!(socket(AF_INET6, kind, 0))?;
        t.same("of IPv6", get(fd, IPPROTO_IPV6, six), Ok(IP_PMTUDISC_WANT));
        t.works("not at all", set(fd, IPPROTO_IPV6, six, 0));
        t.works("of the other", set(fd, IPPROTO_IP, four, IP_PMTUDISC_DO));
        t.same("each has its own", get(fd, IPPROTO_IPV6, six), Ok(0));
        t.same("and this", get(fd, IPPROTO_IP, four), Ok(IP_PMTUDISC_DO));
        t.refused("none of IPv6", set(fd, IPPROTO_IPV6, six, 6), EINVAL);
    }
    let fd = call!(socket(AF_INET, SOCK_DGRAM, 0))?;
    t.works("must be whole", set(fd, IPPROTO_IP, four, IP_PMTUDISC_DO));
    // SAFETY: plain numbers.
    let mut to: sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = AF_INET as u16;
    to.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
    to.sin_port = 9u16.to_be();
    let data = [0u8; 60_000];
    let sent = call!(sendto(
        fd,
        data.as_ptr().cast(),
        data.len(),
        0,
        (&raw const to).cast(),
        size_of::<sockaddr_in>() as u32
    ));
    t.same("as large as this machine takes", sent, Ok(60_000));
    Ok(())
}
