"""Commands for a stopped Paddock kernel; `cargo xtask gdb` loads them.

    paddock threads     every thread, its state, and where it is
    paddock bt ID       the back-trace of a thread, by the number in that list
    paddock locks       the locks that are held, by whom, and who waits
    paddock cpus        each CPU: its thread, place, mask, timer

All is read from memory with the types of the debug information; nothing in the
kernel runs.
"""

import re
import struct

import gdb

WORD = 8
MAX_FRAMES = 64
NEVER = (1 << 64) - 1

# What every thread that waits is in.
MACHINERY = (
    "?",
    "core::",
    "alloc::",
    "paddock_sync::",
    "paddock_kernel::arch::",
    "paddock_kernel::thread::hooks::",
    "paddock_kernel::thread::scheduler::park",
    "paddock_kernel::thread::switch::",
)


class Unreadable(Exception):
    """Something is not where it was expected."""


def fields(value):
    return {field.name: value[field] for field in value.type.fields()}


def number(value):
    """The integer inside wrappers such as atomics and cells."""
    value_type = value.type.strip_typedefs()
    while value_type.code == gdb.TYPE_CODE_STRUCT:
        inner = [field for field in value_type.fields() if field.type.sizeof]
        if len(inner) != 1:
            raise Unreadable(f"{value_type} is not one number")
        value = value[inner[0]]
        value_type = value.type.strip_typedefs()
    return int(value) & NEVER


def inside(value, *names):
    """The value behind a path of field names; steps that are missing are
    looked for one wrapper further in."""
    for name in names:
        while name not in fields(value):
            inner = [f for f in value.type.fields() if f.type.sizeof]
            if len(inner) != 1:
                raise Unreadable(f"{value.type} has no {name}")
            value = value[inner[0]]
        value = fields(value)[name]
    return value


def word(address):
    memory = gdb.selected_inferior().read_memory(address, WORD)
    return int.from_bytes(bytes(memory), "little")


def at(type_name, address):
    pointer = gdb.lookup_type(type_name).pointer()
    return gdb.Value(address).cast(pointer).dereference()


def variant(enum, value):
    """The name of an enum's variant; the enum as a type or by name."""
    try:
        if isinstance(enum, str):
            enum = gdb.lookup_type(enum)
        for field in enum.fields():
            if field.enumval == value:
                return field.name.split("::")[-1]
    except (gdb.error, AttributeError, TypeError):
        pass
    return str(value)


def field_type(outer, name, depth=4):
    """The type of the field of that name, somewhere inside a type."""
    if outer.strip_typedefs().code != gdb.TYPE_CODE_STRUCT or depth == 0:
        return None
    for field in outer.fields():
        found = field.type if field.name == name else field_type(field.type, name, depth - 1)
        if found is not None:
            return found
    return None


def rank_name(value):
    """The name of a lock's rank. The type cannot be had by its name, which is
    a namespace as well."""
    registry = gdb.parse_and_eval("paddock_kernel::thread::scheduler::REGISTRY")
    rank = field_type(registry.type, "rank")
    return variant(rank, value) if rank else f"rank {value}"


def plain(name):
    """Without the compiler's hash."""
    return re.sub(r"::h[0-9a-f]{16}$", "", name)


def functions(address):
    """The functions whose code is at an address: what was inlined there, from
    the innermost, and the function itself."""
    names = []
    block = gdb.block_for_pc(address)
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            names.append(plain(block.function.print_name))
        block = block.superblock
    if names:
        return names
    shown = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if " in section" not in shown:
        return ["?"]
    return [plain(shown.split(" in section")[0].rsplit(" + ", 1)[0])]


def line_of(address):
    place = gdb.find_pc_line(address)
    return f"{place.symtab.filename}:{place.line}" if place.symtab else "?"


def location(address):
    """A core::panic::Location, of which there are no types to be had: the
    file's name (address and length), the line and the column."""
    if address == 0:
        return "an unknown place"
    memory = gdb.selected_inferior()
    head = bytes(memory.read_memory(address, 3 * WORD))
    data, length, line, column = struct.unpack("<QQII", head)
    if length > 512:
        raise Unreadable(f"there is no place in the source at {address:#x}")
    name = bytes(memory.read_memory(data, length)).rstrip(b"\0")
    return f"{name.decode('utf-8', 'replace')}:{line}:{column}"


def vector(value):
    """The elements of a Vec."""
    element = value.type.template_argument(0)
    start = number(inside(value, "buf", "inner", "ptr"))
    base = gdb.Value(start).cast(element.pointer())
    return [(base + index).dereference() for index in range(int(value["len"]))]


class Thread:
    """A thread, as it is in memory."""

    def __init__(self, address):
        self.address = address
        self.value = at("paddock_kernel::thread::Thread", address)
        info = self.value["info"]
        self.context = info["context"]
        self.index = int(inside(self.value, "id", "index"))
        self.on_cpu = bool(number(self.value["on_cpu"]))
        self.cpu = number(info["cpu"])

    def state(self):
        bits = number(self.value["state"]) & 0x7F
        return variant("paddock_sched::state::State", bits)

    def class_(self):
        return variant("paddock_sched::run_queue::Class", int(self.value["class"]))

    def name(self):
        if self.is_idle():
            return "idle"
        name = self.value["name"]
        try:
            bytes_ = vector(inside(name, "value", "vec"))
            return bytes(int(byte) & 0xFF for byte in bytes_).decode("utf-8", "replace")
        except (Unreadable, KeyError):
            return "?"

    def is_idle(self):
        return self.index == 0xFFFF_FFFF

    def title(self):
        if self.is_idle():
            return f"the idle thread of cpu {self.cpu}"
        return f"thread {self.index} ({self.name()})"

    def frames(self):
        """Addresses of code, innermost first; the first is the place itself."""
        if self.on_cpu:
            cpu = next((c for c in machine_cpus() if c.current == self.address), None)
            if cpu is None:
                return
            yield cpu.pc, False
            record = cpu.frame
        else:
            record = number(self.value["sp"])
        for _ in range(MAX_FRAMES):
            if record == 0 or record % WORD:
                return
            try:
                following, back = word(record), word(record + WORD)
            except gdb.MemoryError:
                return
            if back == 0:
                return
            yield back, True
            if following <= record:
                return
            record = following

    def place(self):
        """The innermost function that is not one of waiting itself."""
        for address, returns in self.frames():
            for name in functions(address - 1 if returns else address):
                if not name.startswith(MACHINERY):
                    return name
        return "?"

    def held(self):
        """(lock's address, rank, where it was taken) of each lock it holds."""
        held = self.context["held"]
        count = min(number(held["state"]) & 0xFF, 16)
        for index in range(count):
            entry = held["entries"][index]
            rank = (number(entry["heights"]) & 0xFF) - 1
            yield (
                number(entry["lock"]),
                rank_name(rank),
                number(entry["taken_at"]),
            )

    def waits_for(self):
        """(lock's address, rank, where it waits) or None."""
        wait = self.context["wait"]
        lock = number(wait["lock"])
        if lock == 0:
            return None
        rank = rank_name(number(wait["rank"]))
        return lock, rank, number(wait["waits_at"])


def registered_threads():
    registry = gdb.parse_and_eval("paddock_kernel::thread::scheduler::REGISTRY")
    slots = vector(inside(registry, "value", "threads", "slots"))
    shared = gdb.lookup_type("alloc::sync::ArcInner<paddock_kernel::thread::Thread>")
    data = next(field for field in shared.fields() if field.name == "data").bitpos // 8
    for slot in slots:
        pointer = word(int(fields(slot)["value"].address))
        if pointer:
            yield Thread(pointer + data)


class Cpu:
    """A CPU, as QEMU shows it."""

    def __init__(self, inferior_thread):
        inferior_thread.switch()
        frame = gdb.newest_frame()
        self.number = inferior_thread.num
        self.current = int(gdb.parse_and_eval("$TPIDR_EL1")) & NEVER
        self.pc = int(frame.read_register("pc")) & NEVER
        self.frame = int(frame.read_register("x29")) & NEVER
        self.pstate = int(gdb.parse_and_eval("$cpsr"))

    def is_user(self):
        return self.pstate & 0xF == 0


def machine_cpus():
    selected = gdb.selected_thread()
    threads = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
    cpus = [Cpu(thread) for thread in threads]
    if selected:
        selected.switch()
    return cpus


def in_rust(command):
    """Runs with Rust's syntax for names, and says what could not be read."""

    def run(self, argument, from_tty):
        before = gdb.parameter("language")
        gdb.execute("set language rust", to_string=True)
        try:
            command(self, argument)
        except Unreadable as error:
            raise gdb.GdbError(f"the kernel is not as expected: {error}")
        finally:
            gdb.execute(f"set language {before}", to_string=True)

    return run


class Paddock(gdb.Command):
    """Threads, locks and CPUs of the Paddock kernel."""

    def __init__(self):
        super().__init__("paddock", gdb.COMMAND_STATUS, prefix=True)


class Threads(gdb.Command):
    """Lists every thread: number, class, state, CPU, name, and where it is."""

    def __init__(self):
        super().__init__("paddock threads", gdb.COMMAND_STATUS)

    @in_rust
    def invoke(self, argument):
        for thread in registered_threads():
            print(
                f"{thread.index:4} {thread.class_():7} {thread.state():8} "
                f"cpu {thread.cpu} {thread.name():15} {thread.place()}"
            )
            waits = thread.waits_for()
            if waits:
                lock, rank, where = waits
                print(f"       waits for {rank} at {lock:#x}, in {location(where)}")


class Backtrace(gdb.Command):
    """paddock bt ID: where a thread is."""

    def __init__(self):
        super().__init__("paddock bt", gdb.COMMAND_STACK)

    @in_rust
    def invoke(self, argument):
        try:
            index = int(argument, 0)
        except ValueError:
            raise gdb.GdbError("which thread? See `paddock threads`.")
        thread = next((t for t in registered_threads() if t.index == index), None)
        if thread is None:
            raise gdb.GdbError(f"there is no thread {index}")
        print(f"{thread.title()}, {thread.state()}")
        for depth, (address, returns) in enumerate(thread.frames()):
            inner = address - 1 if returns else address
            *inlined, function = functions(inner)
            for name in inlined:
                print(f"{'':23} {name}, inlined")
            print(f"#{depth:<3} {address:#018x} {function} at {line_of(inner)}")


class Locks(gdb.Command):
    """Lists the locks that are held, by whom, and who waits for them."""

    def __init__(self):
        super().__init__("paddock locks", gdb.COMMAND_STATUS)

    @in_rust
    def invoke(self, argument):
        running = [Thread(cpu.current) for cpu in machine_cpus() if cpu.current]
        known = list(registered_threads())
        idle = [t for t in running if t.is_idle()]
        waits = [(thread, thread.waits_for()) for thread in known]
        shown = set()
        for holder in known + idle:
            for lock, rank, taken in holder.held():
                shown.add(lock)
                print(f"{rank} at {lock:#x} held by {holder.title()}, taken at {location(taken)}")
                for thread, wait in waits:
                    if wait and wait[0] == lock:
                        print(f"    {thread.title()} waits in {location(wait[2])}")
        for thread, wait in waits:
            if wait and wait[0] not in shown:
                print(f"{wait[1]} at {wait[0]:#x}: {thread.title()} waits in {location(wait[2])}")


class Cpus(gdb.Command):
    """Lists the CPUs: thread, place, mask of interrupts, and timer."""

    def __init__(self):
        super().__init__("paddock cpus", gdb.COMMAND_STATUS)

    @in_rust
    def invoke(self, argument):
        known = gdb.parse_and_eval("paddock_kernel::thread::cpu::CPUS")
        for index, cpu in enumerate(machine_cpus()):
            if not cpu.current:
                print(f"cpu {index}: not started")
                continue
            thread = Thread(cpu.current)
            kept = known[thread.cpu]
            mask = "masked" if cpu.pstate & 0x80 else "on"
            place = "a program" if cpu.is_user() else functions(cpu.pc)[-1]
            depths = number(thread.context["depths"])
            fires = number(kept["fires_at"])
            timer = "off" if fires == NEVER else f"fires at {fires // 1000} us"
            print(f"cpu {thread.cpu}: {thread.title()} in {place}")
            print(
                f"       interrupts {mask}, preemption off {depths & 0xFFFF} deep, "
                f"interrupt depth {depths >> 16 & 0xFF}, timer {timer}"
            )


for command in (Paddock, Threads, Backtrace, Locks, Cpus):
    command()
