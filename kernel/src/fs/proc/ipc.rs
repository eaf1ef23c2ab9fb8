//! `/proc/sysvipc` (sysvipc(7)).

use super::text::{Text, file};
use crate::process::identity::viewer;
use crate::process::ipc;
use crate::process::numbers::known;
use paddock_abi::Result;
use paddock_ipc::index_of;
use paddock_vfs::PAGE_SIZE;
use paddock_vfs::proc_fs::StaticDir;

pub fn directory() -> StaticDir {
    StaticDir::new()
        .with("msg", file(queues))
        .with("sem", file(sets))
        .with("shm", file(segments))
}

fn segments(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n")?;
    let mut index = 0;
    let (ipc, viewer) = (ipc::own(), viewer());
    while let Some(segment) = ipc.segments.from(index) {
        let shown = segment.shown();
        let perm = shown.shm_perm;
        let id = segment.id();
        out.put(format_args!(
            "{:10} {id:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} {:21} {:21}\n",
            perm.key,
            perm.mode,
            shown.shm_segsz,
            known(shown.shm_cpid).get(),
            known(shown.shm_lpid).get(),
            shown.shm_nattch,
            viewer.shown_uid(perm.uid),
            viewer.shown_gid(perm.gid),
            viewer.shown_uid(perm.cuid),
            viewer.shown_gid(perm.cgid),
            shown.shm_atime,
            shown.shm_dtime,
            shown.shm_ctime,
            segment.memory.resident() * PAGE_SIZE as u64,
            0,
        ))?;
        index = index_of(id) + 1;
    }
    Ok(())
}

fn sets(out: &mut Text<'_>) -> Result<()> {
    out.bytes(
        b"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
    )?;
    let mut index = 0;
    let (ipc, viewer) = (ipc::own(), viewer());
    while let Some(set) = ipc.sets.from(index) {
        let shown = set.shown();
        let perm = shown.sem_perm;
        let id = set.id();
        out.put(format_args!(
            "{:10} {id:10}  {:4o} {:10} {:5} {:5} {:5} {:5} {:10} {:10}\n",
            perm.key,
            perm.mode,
            shown.sem_nsems,
            viewer.shown_uid(perm.uid),
            viewer.shown_gid(perm.gid),
            viewer.shown_uid(perm.cuid),
            viewer.shown_gid(perm.cgid),
            shown.sem_otime,
            shown.sem_ctime,
        ))?;
        index = index_of(id) + 1;
    }
    Ok(())
}

fn queues(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n")?;
    let mut index = 0;
    let (ipc, viewer) = (ipc::own(), viewer());
    while let Some(queue) = ipc.queues.from(index) {
        let shown = queue.shown();
        let perm = shown.msg_perm;
        let id = queue.id();
        out.put(format_args!(
            "{:10} {id:10}  {:4o}  {:10} {:10} {:5} {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10}\n",
            perm.key,
            perm.mode,
            shown.msg_cbytes,
            shown.msg_qnum,
            known(shown.msg_lspid).get(),
            known(shown.msg_lrpid).get(),
            viewer.shown_uid(perm.uid),
            viewer.shown_gid(perm.gid),
            viewer.shown_uid(perm.cuid),
            viewer.shown_gid(perm.cgid),
            shown.msg_stime,
            shown.msg_rtime,
            shown.msg_ctime,
        ))?;
        index = index_of(id) + 1;
    }
    Ok(())
}
