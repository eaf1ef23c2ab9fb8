//! execve(2): scripts, their interpreters, and scripts of scripts.
use crate::cases::contracts::prelude::*;

fn script(name: &str, text: &str) -> Outcome {
    file(name, text.as_bytes())?;
    call!(chmod(word(name).as_ptr(), 0o755))?;
    Ok(())
}

/// How one that is executed ends; its error as 100 and more.
fn end_of(name: &str) -> Result<End, Errno> {
    sys::in_child(|| 100 + sys::exec(&word(name), &[]).0)
}

pub fn run(t: &mut Report) -> Outcome {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let here = here.display();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let good = format!("#!{} list\n", program.display());
    script("one", &good)?;
    script("spaces", &format!("#! \t {} list  \n", program.display()))?;
    let quiet = |name: &str| {
        sys::in_child(|| {
            let null = opened("/dev/null", O_WRONLY).unwrap_or(-1);
            let _ = call!(dup2(null, 1));
            100 + sys::exec(&word(name), &[]).0
        })
    };
    t.check(
        "a script",
        quiet("one").is_ok_and(|end| end != End::Exited(100 + ENOEXEC)),
    );
    t.check(
        "with spaces",
        quiet("spaces").is_ok_and(|end| end == quiet("one").unwrap_or(end)),
    );
    script("lost", "#!/no/such/interpreter\n")?;
    t.same(
        "no interpreter",
        end_of("lost"),
        Ok(End::Exited(100 + ENOENT)),
    );
    script("empty", "#!\n")?;
    t.same("no name", end_of("empty"), Ok(End::Exited(100 + ENOEXEC)));
    script("blank", "#!   \n")?;
    t.same(
        "only spaces",
        end_of("blank"),
        Ok(End::Exited(100 + ENOEXEC)),
    );
    script("folder", &format!("#!{here}\n"))?;
    t.same("a folder", end_of("folder"), Ok(End::Exited(100 + EACCES)));
    file("plain", b"x")?;
    script("closed", &format!("#!{here}/plain\n"))?;
    t.same(
        "no right to run it",
        end_of("closed"),
        Ok(End::Exited(100 + EACCES)),
    );
    script("long", &format!("#!/{}\n", "x".repeat(300)))?;
    t.same(
        "a long line",
        end_of("long"),
        Ok(End::Exited(100 + ENOEXEC)),
    );
    script("s1", &good)?;
    for level in 2..=8 {
        script(&format!("s{level}"), &format!("#!{here}/s{}\n", level - 1))?;
    }
    t.check(
        "a script of scripts",
        quiet("s4").is_ok_and(|end| !matches!(end, End::Exited(100..))),
    );
    t.same("of too many", end_of("s8"), Ok(End::Exited(100 + ELOOP)));
    script("self", &format!("#!{here}/self\n"))?;
    t.same("of itself", end_of("self"), Ok(End::Exited(100 + ELOOP)));
    Ok(())
}
