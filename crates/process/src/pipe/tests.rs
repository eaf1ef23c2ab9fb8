use super::*;
use crate::ring::TryRead;
use paddock_vfs::OpenFlags;
use std::thread;

fn account() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

fn payer(account: &Arc<Account>) -> Payer<'_> {
    Payer {
        account,
        soft_pages: usize::MAX,
        most: PIPE_MAX,
    }
}

fn end(file: &dyn File) -> PipeEnd<'_> {
    PipeEnd::of(file).unwrap()
}

fn free_pipe() -> (Arc<PipeReader>, Arc<PipeWriter>) {
    pipe(&payer(&account())).unwrap()
}

#[test]
fn its_memory_is_charged_while_bytes_are_in_it() {
    let account = account();
    let (reader, writer) = pipe(&payer(&account)).unwrap();
    assert_eq!(account.bytes(), 0);
    assert_eq!(writer.try_write(&[1; 10_000]), Ok(10_000));
    assert_eq!(account.bytes(), 16_384);
    let mut buf = [0; 10_000];
    assert_eq!(reader.try_read(&mut buf), TryRead::Data(10_000));
    assert_eq!(account.bytes(), 0);
    assert_eq!(writer.try_write(&[1; 100]), Ok(100));
    drop((reader, writer));
    assert_eq!(account.bytes(), 0);
}

#[test]
fn beyond_its_users_limit_it_takes_what_there_is_memory_for() {
    let account = Account::of_user(20_000).unwrap();
    let (reader, writer) = pipe(&payer(&account)).unwrap();
    assert_eq!(writer.try_write(&[1; 16_384]), Ok(16_384));
    assert_eq!(writer.try_write(&[2; 4_096]), Err(Errno::ENOMEM));
    assert_eq!(reader.len(), 16_384);
}

#[test]
fn pipes_are_small_for_a_user_with_many() {
    let account = account();
    let crowded = Payer {
        account: &account,
        soft_pages: 40,
        most: PIPE_MAX,
    };
    let pipes: Vec<_> = (0..4).map(|_| pipe(&crowded).unwrap()).collect();
    let sizes: Vec<_> = pipes
        .iter()
        .map(|(reader, _)| end(&**reader).capacity())
        .collect();
    assert_eq!(sizes, [65_536, 65_536, 8_192, 8_192]);
    assert_eq!(account.pipe_pages(), 36);
    assert_eq!(
        end(&*pipes[3].0).set_capacity(65_536, &crowded),
        Err(Errno::EPERM)
    );
    assert_eq!(end(&*pipes[3].0).set_capacity(4_096, &crowded), Ok(4_096));
    drop(pipes);
    assert_eq!(account.pipe_pages(), 0);
}

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
            .pipe
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
    let (reader, writer) = free_pipe();
    let data: Vec<u8> = (0..1u32 << 20).map(|i| (i * 7 + i / 251) as u8).collect();
    let sent = data.clone();
    let sender = thread::spawn(move || write_all(&writer, &sent).unwrap());
    assert_eq!(read_all(&reader), data);
    sender.join().unwrap();
}

#[test]
fn the_ends_know_when_the_other_is_gone() {
    let (reader, writer) = free_pipe();
    assert_eq!(reader.try_read(&mut [0; 8]), TryRead::Pending);
    assert_eq!(reader.ready(), Ready::empty());
    writer.try_write(b"last").unwrap();
    drop(writer);
    assert_eq!(reader.ready(), Ready::IN | Ready::HUP);
    let mut buf = [0; 8];
    assert_eq!(reader.try_read(&mut buf), TryRead::Data(4));
    assert_eq!(reader.try_read(&mut buf), TryRead::Eof);
    let (reader, writer) = free_pipe();
    drop(reader);
    assert_eq!(writer.try_write(b"x"), Err(Errno::EPIPE));
    assert!(writer.ready().contains(Ready::ERR));
}

#[test]
fn small_writes_are_whole() {
    let (reader, writer) = free_pipe();
    let big = vec![1; PIPE_SIZE - 10];
    assert_eq!(writer.try_write(&big), Ok(PIPE_SIZE - 10));
    assert_eq!(writer.try_write(&[2; 11]), Err(Errno::EAGAIN));
    assert!(!writer.ready().contains(Ready::OUT));
    assert_eq!(writer.try_write(&[2; 10]), Ok(10));
    assert_eq!(writer.try_write(&vec![3; PIPE_BUF + 1]), Err(Errno::EAGAIN));
    let mut buf = vec![0; 100];
    reader.try_read(&mut buf);
    assert_eq!(writer.try_write(&[3]), Err(Errno::EAGAIN));
    let mut buf = vec![0; PIPE_BUF - 100];
    reader.try_read(&mut buf);
    assert!(writer.ready().contains(Ready::OUT));
    assert_eq!(writer.try_write(&vec![3; PIPE_BUF + 1]), Ok(PIPE_BUF));
}

#[test]
fn the_capacity_can_change() {
    let (reader, writer) = free_pipe();
    assert_eq!(end(&*reader).capacity(), PIPE_SIZE);
    assert_eq!(
        end(&*writer).set_capacity(5000, &payer(&account())),
        Ok(8192)
    );
    writer.try_write(&[0; 8000]).unwrap();
    assert_eq!(
        end(&*writer).set_capacity(4096, &payer(&account())),
        Err(Errno::EBUSY)
    );
    assert_eq!(
        end(&*writer).set_capacity(PIPE_MAX + 1, &payer(&account())),
        Err(Errno::EPERM)
    );
}

fn fifo_metadata() -> Metadata {
    Pipe::new(0, 0, &payer(&account())).unwrap().metadata()
}

#[test]
fn a_fifo_waits_for_its_partner() {
    let fifo = Fifo::new(&payer(&account())).unwrap();
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
    writer.write(&mut 0, &mut b"hi".into()).unwrap();
    drop(writer);
    // It came and went: the reader's open still succeeded.
    assert!(reader.partner_came());
    let mut buf = [0; 4];
    assert_eq!(reader.read(&mut 0, &mut (&mut buf).into()), Ok(2));
    assert_eq!(reader.read(&mut 0, &mut (&mut buf).into()), Ok(0));
}

#[test]
fn what_is_drained_is_nobody_elses_and_what_is_left_stays() {
    let (reader, writer) = free_pipe();
    writer.try_write(b"0123456789").unwrap();
    let drained = end(&*reader).drain(&mut [0; 8], |bytes| {
        assert_eq!(bytes, b"01234567");
        assert_eq!(reader.try_read(&mut [0; 1]), TryRead::Pending);
        assert!(!reader.ready().contains(Ready::IN));
        assert_eq!(writer.try_write(b"ab"), Ok(2));
        Ok(3)
    });
    assert_eq!(drained, Ok(Some(3)));
    let failed = end(&*reader).drain(&mut [0; 8], |_| Err(Errno::EFBIG));
    assert_eq!(failed, Err(Errno::EFBIG));
    let mut rest = [0; 20];
    assert_eq!(reader.try_read(&mut rest), TryRead::Data(9));
    assert_eq!(&rest[..9], b"3456789ab");
    assert_eq!(
        end(&*reader).drain(&mut rest, |_| Ok(1)),
        Err(Errno::EAGAIN)
    );
    drop(writer);
    assert_eq!(end(&*reader).drain(&mut rest, |_| Ok(1)), Ok(None));
}

#[test]
fn room_that_is_filled_stays_whoever_reads_and_writes_meanwhile() {
    let (reader, writer) = free_pipe();
    writer.try_write(&[1; 60_000]).unwrap();
    let filled = end(&*writer).fill(&mut [0; 10_000], |room| {
        assert_eq!(room.len(), 4_096);
        assert_eq!(writer.try_write(b"x"), Err(Errno::EAGAIN));
        assert_eq!(
            end(&*writer).set_capacity(4096, &payer(&account())),
            Err(Errno::EBUSY)
        );
        let mut all = [0; 60_000];
        assert_eq!(reader.try_read(&mut all), TryRead::Data(60_000));
        room.fill(2);
        Ok(4_000)
    });
    assert_eq!(filled, Ok(4_000));
    let mut all = [0; 60_000];
    assert_eq!(reader.try_read(&mut all), TryRead::Data(4_000));
    assert!(all[..4_000].iter().all(|byte| *byte == 2));
    let nothing = end(&*writer).fill(&mut [0; 10], |_| Err(Errno::EIO));
    assert_eq!(nothing, Err(Errno::EIO));
    assert_eq!(reader.try_read(&mut all), TryRead::Pending);
    drop(reader);
    assert_eq!(
        end(&*writer).fill(&mut [0; 10], |_| Ok(10)),
        Err(Errno::EPIPE)
    );
}

#[test]
fn a_tee_takes_nothing() {
    let (reader, writer) = free_pipe();
    let (other, copy) = free_pipe();
    let tee = |chunk: &mut [u8]| end(&*reader).tee(&end(&*copy), chunk);
    assert_eq!(tee(&mut [0; 4]), Err(Errno::EAGAIN));
    writer.try_write(b"abcdef").unwrap();
    assert_eq!(tee(&mut [0; 4]), Ok(Some(4)));
    assert_eq!(tee(&mut [0; 9]), Ok(Some(6)));
    let mut all = [0; 20];
    assert_eq!(other.try_read(&mut all), TryRead::Data(10));
    assert_eq!(&all[..10], b"abcdabcdef");
    assert_eq!(reader.len(), 6);
}
