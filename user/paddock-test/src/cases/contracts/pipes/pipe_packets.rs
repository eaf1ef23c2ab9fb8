//! pipe2(2), O_DIRECT: each write is a packet.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut ends = [0; 2];
    yes!(t; "with packets": pipe2(ends.as_mut_ptr(), O_DIRECT | O_NONBLOCK););
    let [reader, writer] = ends;
    let flags = |fd: i32| call!(fcntl(fd, F_GETFL)).map(|it| it & O_DIRECT);
    t.same("it is told", flags(writer), Ok(O_DIRECT));
    let get = |room: usize| {
        let mut bytes = vec![0; room];
        sys::read(reader, &mut bytes).map(|count| bytes[..count].to_vec())
    };
    sys::write_all(writer, b"abc")?;
    sys::write_all(writer, b"defgh")?;
    sys::write_all(writer, &[1; 5000])?;
    let mut count = 0i32;
    yes!(t; "FIONREAD": ioctl(reader, FIONREAD, &raw mut count););
    t.same("all of them", count, 5008);
    t.same("one at a time", get(100), Ok(b"abc".to_vec()));
    t.same("the first bytes of one", get(2), Ok(b"de".to_vec()));
    t.same("the others are lost", get(10_000), Ok(vec![1; 4096]));
    t.same("a large one is parted", get(10_000), Ok(vec![1; 904]));
    t.refused("no more", get(1), EAGAIN);
    for _ in 0..16 {
        sys::write_all(writer, b"x")?;
    }
    t.refused("each has a page", sys::write(writer, b"x"), EAGAIN);
    for _ in 0..16 {
        t.same("and comes alone", get(100), Ok(b"x".to_vec()));
    }
    yes!(t; "a stream again": fcntl(writer, F_SETFL, O_NONBLOCK););
    t.same("that is told", flags(writer), Ok(0));
    sys::write_all(writer, b"ab")?;
    sys::write_all(writer, b"cd")?;
    t.same("bytes without bounds", get(3), Ok(b"abc".to_vec()));
    t.same("none is lost", get(100), Ok(b"d".to_vec()));
    yes!(t; "packets again": fcntl(writer, F_SETFL, O_NONBLOCK | O_DIRECT););
    sys::write_all(writer, b"ef")?;
    sys::write_all(writer, b"gh")?;
    t.same("are apart", get(100), Ok(b"ef".to_vec()));
    sys::close(writer)?;
    t.same("the last", get(1), Ok(b"g".to_vec()));
    t.same("and its end", get(1), Ok(Vec::new()));
    Ok(())
}
