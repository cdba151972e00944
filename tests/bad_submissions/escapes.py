"""Right answers after an attack that must be refused: processes, network, files, signals, limits, kernel.

System calls by number are those of x86-64.
"""

from .build import before, cheat, refused

MARK = "7604.25"  # a number of seconds that is found in the list of processes

PROCESSES = [
    refused("subprocess", f"import subprocess\nsubprocess.Popen(['sleep', '{MARK}'])"),
    refused("a shell", f"import os\nassert os.system('sleep {MARK} &') == 0", "(OSError, AssertionError)"),
    refused("popen", f"import os\nassert os.popen('echo {MARK}').read()", "(OSError, AssertionError)"),
    refused("posix_spawn", f"import os\nos.posix_spawn('/bin/sleep', ['sleep', '{MARK}'], {{}})"),
    refused(
        "fork and setsid",
        f"import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep({MARK})",
    ),
    refused("forkpty", "import os\nos.forkpty()"),
    refused(
        "multiprocessing", "import multiprocessing as m\nm.get_context('fork').Process(target=input).start()"
    ),
    refused("a pool of processes", "import multiprocessing as m\nm.get_context('spawn').Pool(2)"),
    refused(
        "clone by number",
        "import ctypes\nassert ctypes.CDLL(None).syscall(56, 17, 0, 0, 0, 0) >= 0",
        "(OSError, AssertionError)",
    ),
    refused(
        "vfork by number", "import ctypes\nassert ctypes.CDLL(None).fork() >= 0", "(OSError, AssertionError)"
    ),
    before(
        "threads left running",
        "import threading, time\nfor _ in range(8): threading.Thread(target=time.sleep, args=(99,)).start()",
    ),
]

NETWORK = [
    refused("TCP", "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 1)"),
    refused("TCP over IPv6", "import socket\nsocket.create_connection(('::1', @PORT@), 1)"),
    refused("HTTP", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:@PORT@', timeout=1)"),
    refused(
        "UDP", "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @PORT@))"
    ),
    refused("DNS", "import socket\nsocket.getaddrinfo('example.com', 80)"),
    refused("a raw socket", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    refused("an abstract socket", "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0@SOCKET@')"),
    refused("a netlink socket", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"),
    refused("a vsock", "import socket\nsocket.socket(socket.AF_VSOCK).connect((2, @PORT@))"),
    refused("asyncio", "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', @PORT@))"),
]

PACKAGE = "import dltwice.grading.checks as c\n"
FILES = [
    refused("deletes a folder", "import shutil\nshutil.rmtree('@CANARY@')"),
    refused("deletes a file", "import os\nos.remove('@CANARY@/file')"),
    refused("writes a file", "open('@CANARY@/new', 'w').write('x')"),
    refused("reads a file", "open('@CANARY@/file').read()"),
    refused(
        "writes into the book", "import os\nos.open('@CHECKOUT@/solutions/04_convolution/new', os.O_CREAT)"
    ),
    refused("changes the package", PACKAGE + "open(c.__file__, 'r+')"),
    refused("touches the package", PACKAGE + "import os\nos.utime(c.__file__)"),
    refused("renames the package", PACKAGE + "import os\nos.rename(c.__file__, c.__file__)"),
    refused("writes a cached package", PACKAGE + "import os\nos.utime(c.__cached__)"),
    refused("changes Python", "import os\nos.open(os.__file__, os.O_RDWR)"),
    refused("changes NumPy", "open(np.__file__, 'r+')"),
    refused("a file in /usr", "open('/usr/lib/new', 'w')"),
    refused("a device", "open('/dev/mem', 'rb').read(1)"),
    refused("a kernel setting", "open('/proc/sys/kernel/core_pattern', 'w')"),
    refused("its user and group", "import os\nos.setgroups([])\nos.setuid(12345)\nos.setuid(0)"),
    before(
        "empties home and /tmp",
        "import glob, os, shutil\n"
        "for path in glob.glob(os.path.expanduser('~/canary*')) + glob.glob('/tmp/canary*'):\n"
        "    shutil.rmtree(path, ignore_errors=True)\n    if os.path.isfile(path): os.remove(path)",
        sandbox=True,
    ),
    before(
        "writes into its working folder",
        "open('notes.txt', 'w').write('x')\nassert open('notes.txt').read() == 'x'",
    ),
]

LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
LIMITS = """
import resource
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        number = getattr(resource, name)
        if resource.getrlimit(number)[1] != resource.RLIM_INFINITY:
            try: resource.setrlimit(number, (resource.RLIM_INFINITY,) * 2)
            except (OSError, ValueError): continue
            raise RuntimeError("ESCAPED")
"""
STAY = f"""
import signal
{LIBC}
libc.prctl(1, 0)  # PR_SET_PDEATHSIG
libc.prctl(4, 0)  # PR_SET_DUMPABLE
libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
libc.setsid()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
while True: pass
"""
KERNEL = [
    before("raises its limits", LIMITS, sandbox=True),
    before("wants to outlive its parent", STAY, 0, "Stopped after 2", status="timeout", sandbox=True),
    cheat("kills all processes", "import os\nos.kill(-1, 9)", status="ok|partial", sandbox=True),
    cheat("kills its parent", "import os\nos.kill(os.getppid(), 9)", status="ok|partial", sandbox=True),
    cheat("kills its group", "import os\nos.killpg(0, 9)", status="ok|partial", sandbox=True),
    cheat(
        "stops its parent", "import os\nos.kill(os.getppid(), 19)", status="ok|partial|timeout", sandbox=True
    ),
    refused("chroot", "import os\nos.chroot('.')"),
    *(
        refused(name, f"{LIBC}assert libc.{call} >= 0", "(OSError, AssertionError)")
        for name, call in {
            "unshare": "unshare(0x10020000)",  # CLONE_NEWUSER | CLONE_NEWNS
            "mount": "mount(b'none', b'/tmp', b'tmpfs', 0, None)",
            "umount": "umount2(b'/tmp', 2)",
            "ptrace of its parent": "ptrace(16, libc.getppid(), None, None)",
            "bpf": "syscall(321, 0, 0, 0)",
            "io_uring": "syscall(425, 1, ctypes.create_string_buffer(120))",
            "keyctl": "syscall(250, 0, -3, 1)",
            "userfaultfd": "syscall(323, 1)",
            "a new key": "syscall(248, b'user', b'x', b'x', 1, -3)",
            "hostname": "sethostname(b'x', 1)",
            "reboot": "reboot(0)",
        }.items()
    ),
]

ESCAPES = PROCESSES + NETWORK + FILES + KERNEL
