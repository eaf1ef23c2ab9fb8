use super::*;
use paddock_vfs::OpenFlags;
use std::thread;

fn read_all(reader: &PipeReader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 1000];
    loop {
        let read = reader
            .0
            .changed
            .wait_until(|| match reader.try_read(&mut buf) {
                TryRead::Pending => None,
                other => Some(other),
            });
        match read {
            TryRead::Data(count) => all.extend_from_slice(&buf[..count]),
            _ => return all,
        }
    }
}

fn write_all(writer: &PipeWriter, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        let count = writer
            .0
            .changed
            .wait_until(|| match writer.try_write(data) {
                Err(Errno::EAGAIN) => None,
                other => Some(other),
            })?;
        data = &data[count..];
    }
    Ok(())
}

#[test]
fn a_megabyte_goes_through_unchanged() {
    let (reader, writer) = pipe().unwrap();
    let data: Vec<u8> = (0..1u32 << 20).map(|i| (i * 7 + i / 251) as u8).collect();
    let sent = data.clone();
    let sender = thread::spawn(move || write_all(&writer, &sent).unwrap());
    assert_eq!(read_all(&reader), data);
    sender.join().unwrap();
}

#[test]
fn the_ends_know_when_the_other_is_gone() {
    let (reader, writer) = pipe().unwrap();
    assert_eq!(reader.try_read(&mut [0; 8]), TryRead::Pending);
    assert_eq!(reader.ready(), Ready::empty());
    writer.try_write(b"last").unwrap();
    drop(writer);
    assert_eq!(reader.ready(), Ready::IN | Ready::HUP);
    let mut buf = [0; 8];
    assert_eq!(reader.try_read(&mut buf), TryRead::Data(4));
    assert_eq!(reader.try_read(&mut buf), TryRead::Eof);
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    assert_eq!(writer.try_write(b"x"), Err(Errno::EPIPE));
    assert!(writer.ready().contains(Ready::ERR));
}

#[test]
fn small_writes_are_whole() {
    let (reader, writer) = pipe().unwrap();
    let big = vec![1; PIPE_SIZE - 10];
    assert_eq!(writer.try_write(&big), Ok(PIPE_SIZE - 10));
    assert_eq!(writer.try_write(&[2; 11]), Err(Errno::EAGAIN));
    assert!(!writer.ready().contains(Ready::OUT));
    assert_eq!(writer.try_write(&[2; 10]), Ok(10));
    assert_eq!(writer.try_write(&vec![3; PIPE_BUF + 1]), Err(Errno::EAGAIN));
    let mut buf = vec![0; 100];
    reader.try_read(&mut buf);
    assert_eq!(writer.try_write(&vec![3; PIPE_BUF + 1]), Ok(100));
}

#[test]
fn the_capacity_can_change() {
    let (reader, writer) = pipe().unwrap();
    assert_eq!(reader.capacity(), PIPE_SIZE);
    assert_eq!(writer.set_capacity(5000), Ok(8192));
    writer.try_write(&[0; 8000]).unwrap();
    assert_eq!(writer.set_capacity(4096), Err(Errno::EBUSY));
    assert_eq!(writer.set_capacity(PIPE_MAX + 1), Err(Errno::EPERM));
}

fn fifo_metadata() -> Metadata {
    Pipe::new(0, 0).metadata()
}

#[test]
fn a_fifo_waits_for_its_partner() {
    let fifo = Fifo::new().unwrap();
    let nonblocking = OpenFlags::WRONLY | OpenFlags::NONBLOCK;
    assert_eq!(
        fifo.open(nonblocking, fifo_metadata()).err(),
        Some(Errno::ENXIO)
    );
    let reader = fifo.open(OpenFlags::empty(), fifo_metadata()).unwrap();
    assert!(!reader.partner_came());
    assert_eq!(reader.ready(), Ready::empty());
    let writer = fifo.open(nonblocking, fifo_metadata()).unwrap();
    assert!(reader.partner_came() && writer.partner_came());
    writer.write(&mut 0, b"hi").unwrap();
    drop(writer);
    // It came and went: the reader's open still succeeded.
    assert!(reader.partner_came());
    let mut buf = [0; 4];
    assert_eq!(reader.read(&mut 0, &mut buf), Ok(2));
    assert_eq!(reader.read(&mut 0, &mut buf), Ok(0));
}
