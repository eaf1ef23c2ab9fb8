//! Debian's own dynamic programs, unmodified: they start through the dynamic
//! linker and do what they do on Linux.

use anyhow::Result;
use xtask::debian;
use xtask::disk::{self, Contents};
use xtask::machine::{machine, test_folder, test_programs};

/// A command, and what it prints on Linux.
const CASES: &[(&str, &str)] = &[
    ("/bin/true; echo $?", "0\n"),
    ("/bin/false; echo $?", "1\n"),
    (
        "/bin/bash -c 'a=(3 1 2); printf \"%s\\n\" \"${a[@]}\" | /usr/bin/sort -n | /usr/bin/paste -sd,'",
        "1,2,3\n",
    ),
    (
        "/bin/bash -c 'set -o pipefail; /bin/false | /bin/cat; echo $?; \
         coproc /bin/cat; echo hi >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x'",
        "1\nhi\n",
    ),
    (
        "/bin/bash -c 'trap \"echo got\" USR1; kill -USR1 $$; while read -r l; do echo \"<$l>\"; done < <(/usr/bin/seq 2)'",
        "got\n<1>\n<2>\n",
    ),
    (
        "echo abc | /usr/bin/sha256sum | /usr/bin/cut -c1-16",
        "edeaaff3f1774ad2\n",
    ),
    (
        "/bin/touch -d @86400 /tmp/t; /bin/chmod 640 /tmp/t; /usr/bin/stat -c '%a %Y %s %F' /tmp/t; /bin/ls -ln /tmp/t | /usr/bin/cut -c1-10",
        "640 86400 0 regular empty file\n-rw-r-----\n",
    ),
    (
        "cd /tmp; /bin/mkdir -p a/b; /bin/cp /etc/passwd a/b; /bin/mv a c; /usr/bin/du -s --apparent-size c/b/passwd | /usr/bin/wc -l; /bin/ln -s c d; /bin/readlink -f d/b; /bin/rm -r c d",
        "1\n/tmp/c/b\n",
    ),
    (
        "/usr/bin/stat -f -c %T /dev/shm; /usr/bin/stat -c %a /dev/shm; \
         /bin/dd if=/dev/zero of=/dev/shm/a bs=1M count=8 2>/dev/null; /usr/bin/stat -c %s /dev/shm/a; /bin/rm /dev/shm/a",
        "tmpfs\n1777\n8388608\n",
    ),
    (
        "/usr/bin/timeout 0.2 /bin/sleep 10; echo $?; /usr/bin/nice -n 5 /usr/bin/nice",
        "124\n5\n",
    ),
    (
        "/usr/bin/python3 -c 'import sys; print(sys.version_info[:2], sys.byteorder)'",
        "(3, 11) little\n",
    ),
    (
        "/usr/bin/python3 -c 'import threading\nr = []\nl = threading.Lock()\ndef f(i):\n  with l: r.append(i * i)\n\
         t = [threading.Thread(target=f, args=(i,)) for i in range(30)]\n[x.start() for x in t]; [x.join() for x in t]\nprint(sum(r))'",
        "8555\n",
    ),
    (
        "/usr/bin/python3 -c 'import subprocess as s\np = s.run([\"/bin/cat\"], input=b\"x\" * 200000, stdout=s.PIPE)\n\
         print(len(p.stdout), p.returncode, s.run([\"/bin/sh\", \"-c\", \"exit 7\"]).returncode)'",
        "200000 0 7\n",
    ),
    (
        "/usr/bin/python3 -c 'import socket, threading\ns = socket.create_server((\"127.0.0.1\", 0))\n\
         def f():\n  c, _ = s.accept()\n  c.sendall(c.recv(100).upper()); c.close()\nt = threading.Thread(target=f); t.start()\n\
         c = socket.create_connection(s.getsockname()); c.sendall(b\"hello\"); print(c.recv(100)); t.join()'",
        "b'HELLO'\n",
    ),
    (
        "/usr/bin/python3 -c 'import os, signal, time\nr, w = os.pipe(); p = os.fork()\nif p == 0: os.write(w, b\"child\"); os._exit(3)\n\
         print(os.read(r, 9), os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))\n\
         a = time.process_time()\nwhile time.process_time() - a < 0.05: pass\nprint(os.times().user > 0, os.getloadavg() is not None)'",
        "b'child' 3\nTrue True\n",
    ),
    (
        "/usr/bin/python3 -c 'import os, sys; os.execv(\"/usr/bin/env\", [\"env\", \"-i\", \"A=1\", \"/usr/bin/env\"])'",
        "A=1\n",
    ),
];

#[test]
fn dynamic_programs_run() -> Result<()> {
    let tree = debian::ensure("test", &["bash", "coreutils", "python3-minimal"])?;
    let image = test_folder().join("debian.img");
    let contents = Contents {
        add: vec![(tree, "/".into())],
        size: 384 << 20,
        ..Contents::default()
    };
    disk::make(&image, &contents, &test_programs()?)?;
    let machine = machine("debian").disk(&image).up()?;
    let mut wrong = Vec::new();
    for (command, expected) in CASES {
        let reply = machine.ssh(command)?;
        if reply.text() != *expected {
            wrong.push(format!("`{command}` gives {reply}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    machine.done()
}
