/* The whole user space of a lab guest: process 1, with one temperament told on the kernel command line.
 *
 * Static, no libc beyond POSIX, no shell: it boots in a blink, idles at zero and dirties memory at exactly the dialled
 * rate. Keys (all optional): lab.ip, lab.dirty_mib_s, lab.set_mib, lab.counter_hz, lab.ticks_ms, lab.agent. On serial:
 *   READY uptime_ms next_sequence      once, when everything below runs
 *   COUNT sequence uptime_ms           after that record was acknowledged by the disk
 *   TICK uptime_ms
 * Over UDP port 7 it answers "rate N" (MiB/s of dirtied memory), "agent N" (0: deaf from now on) and anything else with
 * one line of state. With lab.agent=1 it is its own guest agent, of the few words that libvirt says to see it alive.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define SECTOR 512
#define RING 2048 /* slots; lab/counter.py knows the same number */
#define SLICE_MS 10

struct record { /* little endian, lab/counter.py RECORD */
    char magic[8];
    uint64_t sequence;
    uint64_t uptime_ms;
    uint64_t boot;
    uint32_t crc;
};

#define BUTTONS 4
#define AGENT (1 + BUTTONS)
#define AGENT_RESTS_MS 200

static char cmdline[2048];
static struct pollfd watched[AGENT + 1]; /* the network, whatever may be a power button, the agent's channel */
static int serial_fd, disk_fd = -1, udp_fd = -1, agent_fd = -1;
static uint64_t agent_again; /* while nobody holds the channel's other end, poll would return at once, for ever */
static uint64_t sequence = 1, boot_id, dirtied_pages, stale_pages, moment;
static long dirty_mib_s, set_pages, counter_ms, ticks_ms, agent_answers;
static uint8_t *memory, *sector;

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void say(const char *word, uint64_t a, long long b) {
    char line[80];
    int n = b < 0 ? snprintf(line, sizeof line, "%s %llu\n", word, (unsigned long long)a)
                  : snprintf(line, sizeof line, "%s %llu %lld\n", word, (unsigned long long)a, b);
    if (write(serial_fd, line, n) != n) { /* nobody to tell */ }
}

static long option(const char *key, long otherwise) {
    const char *at = strstr(cmdline, key);
    return at ? atol(at + strlen(key)) : otherwise;
}

static uint32_t crc32(const void *data, size_t n) { /* the same polynomial as Python's zlib.crc32 */
    uint32_t crc = ~0u;
    for (const uint8_t *p = data; n--; p++) {
        crc ^= *p;
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static int load_module(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/modules/%s.ko", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0; /* built into the kernel */
    int failed = syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST ? errno : 0;
    close(fd);
    return failed;
}

static void load_modules(void) {
    static const char *const names[] = {"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev",
        "virtio_pci", "failover", "net_failover", "virtio_net", "virtio_blk", "virtio_console", "evdev", "button", NULL};
    for (int round = 0, failed = 1; failed && round < 3; round++) { /* another kernel may want another order */
        failed = 0;
        for (int i = 0; names[i]; i++) failed |= load_module(names[i]);
        if (failed && round == 2) dprintf(serial_fd, "MODULES failed %d\n", failed);
    }
}

static void set_address(const char *ip) {
    struct ifreq r = {.ifr_name = "eth0"};
    struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    a->sin_family = AF_INET;
    inet_aton(ip, &a->sin_addr);
    ioctl(s, SIOCSIFADDR, &r);
    inet_aton("255.255.255.0", &a->sin_addr);
    ioctl(s, SIOCSIFNETMASK, &r);
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    ioctl(s, SIOCSIFFLAGS, &r);
    close(s);
}

static void open_network(void) {
    char ip[32] = "";
    const char *at = strstr(cmdline, "lab.ip=");
    if (!at || sscanf(at, "lab.ip=%31[0-9.]", ip) != 1) return;
    set_address(ip);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7)};
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(udp_fd, (void *)&a, sizeof a)) udp_fd = -1;
}

static void find_next_sequence(void) { /* after a reboot the counter goes on where the disk stands */
    struct record *r = (void *)sector;
    for (int slot = 0; slot < RING; slot++) {
        if (pread(disk_fd, sector, SECTOR, (off_t)slot * SECTOR) != SECTOR) return;
        if (memcmp(r->magic, "DRVRCNT1", 8) == 0 && r->crc == crc32(r, offsetof(struct record, crc)) &&
            r->sequence >= sequence)
            sequence = r->sequence + 1;
    }
}

static void open_disk(void) {
    for (int tries = 0; tries < 200 && disk_fd < 0; tries++) {
        disk_fd = open("/dev/vda", O_RDWR | O_DIRECT | O_DSYNC);
        if (disk_fd < 0) usleep(10000);
    }
    if (disk_fd < 0) {
        dprintf(serial_fd, "NODISK %d\n", errno);
        counter_ms = 0;
        return;
    }
    sector = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    find_next_sequence();
}

static void count(void) {
    memset(sector, 0, SECTOR);
    struct record *r = (void *)sector;
    memcpy(r->magic, "DRVRCNT1", 8);
    r->sequence = sequence;
    r->uptime_ms = now_ms();
    r->boot = boot_id;
    r->crc = crc32(r, offsetof(struct record, crc));
    if (pwrite(disk_fd, sector, SECTOR, (off_t)(sequence % RING) * SECTOR) != SECTOR) {
        say("ERROR", sequence, errno);
        return;
    }
    say("COUNT", sequence++, (long long)now_ms());
}

/* One word in every 64 bytes: a whole page changes, at little cost. Its second word says in which round it was written:
 * a page that is not of the round before lost a write, which is what a migration that misses a dirty page does. */
static void dirty(uint64_t elapsed_ms) {
    static uint64_t owed_bytes, page, round = 1, word = 88172645463325252ull;
    owed_bytes += (uint64_t)dirty_mib_s * 1048576 * elapsed_ms / 1000;
    if (owed_bytes > (uint64_t)set_pages * PAGE) owed_bytes = (uint64_t)set_pages * PAGE;
    for (; owed_bytes >= PAGE; owed_bytes -= PAGE, dirtied_pages++) {
        uint64_t *p = (uint64_t *)(memory + page * PAGE), *end = p + PAGE / 8;
        if (p[1] != round - 1) stale_pages++;
        for (p[1] = round; p < end; p += 8) {
            word ^= word << 13, word ^= word >> 7, word ^= word << 17;
            *p = word;
        }
        if (++page == (uint64_t)set_pages) page = 0, round++;
    }
}

static void want_memory(long set_mib) {
    if (set_pages) return;
    memory = mmap(NULL, set_mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory != MAP_FAILED) set_pages = (set_mib << 20) / PAGE;
    else dirty_mib_s = 0;
}

static void answer(void) {
    char line[160];
    struct sockaddr_in who;
    socklen_t n = sizeof who;
    ssize_t got = recvfrom(udp_fd, line, sizeof line - 1, 0, (void *)&who, &n);
    if (got < 0) return;
    line[got] = 0;
    if (strncmp(line, "rate ", 5) == 0) {
        dirty_mib_s = atol(line + 5);
        want_memory(option("lab.set_mib=", 16));
    }
    if (strncmp(line, "agent ", 6) == 0) agent_answers = atol(line + 6);
    int len = snprintf(line, sizeof line, "uptime_ms=%llu rate=%ld dirtied_pages=%llu stale_pages=%llu next=%llu\n",
        (unsigned long long)now_ms(), dirty_mib_s, (unsigned long long)dirtied_pages, (unsigned long long)stale_pages,
        (unsigned long long)sequence);
    sendto(udp_fd, line, len, 0, (void *)&who, n);
}

static void open_agent(void) {
    agent_answers = option("lab.agent=", 0);
    for (int tries = 0; agent_answers && agent_fd < 0 && tries < 200; tries++) {
        DIR *folder = opendir("/dev");
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[300];
            snprintf(path, sizeof path, "/dev/%s", entry->d_name);
            if (strncmp(entry->d_name, "vport", 5) == 0) agent_fd = open(path, O_RDWR | O_NONBLOCK);
        }
        if (folder) closedir(folder);
        if (agent_fd < 0) usleep(10000);
    }
    watched[AGENT] = (struct pollfd){.fd = agent_fd, .events = POLLIN};
}

static void reply(const char *words) { /* qemu-ga's protocol, see its qapi-schema.json: one JSON document a line */
    char line[160];
    const char *id = strstr(words, "\"id\"");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int n;
    if (strstr(words, "\"guest-sync") && id)
        n = snprintf(line, sizeof line, "%s{\"return\": %lld}\n", strstr(words, "-delimited") ? "\xff" : "",
            strtoll(id + 4 + strspn(id + 4, ": "), NULL, 10));
    else if (strstr(words, "\"guest-get-time\""))
        n = snprintf(line, sizeof line, "{\"return\": %lld}\n", t.tv_sec * 1000000000ll + t.tv_nsec);
    else
        n = snprintf(line, sizeof line, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"not known here\"}}\n");
    if (write(agent_fd, line, n) != n) { /* nobody listens */ }
}

static void rest_agent(void) {
    watched[AGENT].fd = -1;
    agent_again = now_ms() + AGENT_RESTS_MS;
}

static void hear_agent(void) {
    static char words[1024];
    static size_t length;
    char byte;
    ssize_t got;
    while ((got = read(agent_fd, &byte, 1)) == 1) {
        if (byte != '\n') {
            if (length < sizeof words - 1) words[length++] = byte;
            continue;
        }
        words[length] = 0;
        if (length && agent_answers) reply(words);
        length = 0;
    }
    if (got == 0) rest_agent();
}

static void open_buttons(void) { /* which of them is the power button depends on the machine type */
    for (int i = 0; i < BUTTONS; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        watched[1 + i] = (struct pollfd){.fd = open(path, O_RDONLY | O_NONBLOCK), .events = POLLIN};
    }
}

static void press_button(int fd) { /* virsh shutdown */
    struct input_event e;
    while (read(fd, &e, sizeof e) == sizeof e)
        if (e.type == EV_KEY && e.code == KEY_POWER && e.value == 1) {
            say("POWEROFF", now_ms(), -1);
            sync();
            reboot(RB_POWER_OFF);
        }
}

static int until(uint64_t due, int soonest) {
    int left = due > moment ? (int)(due - moment) : 0;
    return soonest < 0 || left < soonest ? left : soonest;
}

static void live(void) {
    uint64_t next_count = now_ms(), next_tick = next_count, last_dirty = next_count;
    for (;;) {
        moment = now_ms();
        if (dirty_mib_s && moment - last_dirty >= SLICE_MS) dirty(moment - last_dirty), last_dirty = moment;
        if (!dirty_mib_s) last_dirty = moment;
        if (counter_ms && moment >= next_count) count(), next_count = moment + counter_ms;
        if (ticks_ms && moment >= next_tick) say("TICK", moment, -1), next_tick = moment + ticks_ms;
        moment = now_ms();
        int wait = -1;
        if (dirty_mib_s) wait = until(last_dirty + SLICE_MS, wait);
        if (counter_ms) wait = until(next_count, wait);
        if (ticks_ms) wait = until(next_tick, wait);
        if (watched[AGENT].fd < 0 && agent_fd >= 0) {
            if (moment >= agent_again) watched[AGENT].fd = agent_fd;
            else wait = until(agent_again, wait);
        }
        if (poll(watched, AGENT + 1, wait) <= 0) continue;
        if (watched[0].revents) answer();
        for (int i = 1; i <= BUTTONS; i++)
            if (watched[i].revents) press_button(watched[i].fd);
        if (watched[AGENT].revents & POLLIN) hear_agent();
        else if (watched[AGENT].revents) rest_agent();
    }
}

int main(void) {
    mkdir("/proc", 0755), mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, "");
    mount("dev", "/dev", "devtmpfs", 0, "");
    serial_fd = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
    int fd = open("/proc/cmdline", O_RDONLY);
    if (read(fd, cmdline, sizeof cmdline - 1) < 0) cmdline[0] = 0;
    close(fd);
    load_modules();
    open_network();
    watched[0] = (struct pollfd){.fd = udp_fd, .events = POLLIN};
    open_buttons();
    open_agent();
    boot_id = (uint64_t)time(NULL);
    dirty_mib_s = option("lab.dirty_mib_s=", 0);
    ticks_ms = option("lab.ticks_ms=", 0);
    long hz = option("lab.counter_hz=", 0);
    counter_ms = hz > 0 ? (hz > 1000 ? 1 : 1000 / hz) : 0;
    if (dirty_mib_s) want_memory(option("lab.set_mib=", 16));
    if (counter_ms) open_disk();
    say("READY", now_ms(), (long long)sequence);
    live();
}
