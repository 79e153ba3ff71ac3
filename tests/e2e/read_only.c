/* A disk that turns read-only under a running program, as one does whose file system has met an error:
   what is open stays open, and whatever would change it fails with EROFS. A real remount is refused as
   long as a file is open for writing, so the C library's own calls are overlaid (LD_PRELOAD).

   DISK is the folder where the disk is mounted. It may only be read while the file DISK_FAILED exists,
   which lies elsewhere; every refusal adds a byte to it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static int on_disk(const char *path)
{
    const char *disk = getenv("DISK");
    return disk && strncmp(path, disk, strlen(disk)) == 0;
}

static int refused(const char *path)
{
    const char *failed = getenv("DISK_FAILED");
    int fd;
    if (!failed || !on_disk(path) || (fd = REAL(open)(failed, O_WRONLY | O_APPEND)) < 0)
        return 0;
    if (REAL(write)(fd, "!", 1) < 0)
        perror(failed);
    close(fd);
    errno = EROFS;
    return 1;
}

/* A path as the kernel would resolve it: relative to a folder that is open, or to the current one. */
static int refused_at(int folder, const char *path)
{
    char link[64], whole[2 * PATH_MAX];
    ssize_t size;
    if (path[0] == '/')
        return refused(path);
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    if ((size = readlink(link, whole, PATH_MAX)) < 0)
        return 0;
    snprintf(whole + size, sizeof whole - size, "/%s", path);
    return refused(whole);
}

static int refused_fd(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t size;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((size = readlink(link, path, sizeof path - 1)) < 0)
        return 0;
    path[size] = 0;
    return refused(path);
}

#define OPEN(name)                                                                                     \
    int name(const char *path, int flags, ...)                                                         \
    {                                                                                                  \
        va_list more;                                                                                  \
        va_start(more, flags);                                                                         \
        mode_t mode = va_arg(more, mode_t);                                                            \
        va_end(more);                                                                                  \
        return flags & CHANGES && refused_at(AT_FDCWD, path) ? -1 : REAL(name)(path, flags, mode);     \
    }
#define OPENAT(name)                                                                                   \
    int name(int folder, const char *path, int flags, ...)                                             \
    {                                                                                                  \
        va_list more;                                                                                  \
        va_start(more, flags);                                                                         \
        mode_t mode = va_arg(more, mode_t);                                                            \
        va_end(more);                                                                                  \
        return flags & CHANGES && refused_at(folder, path) ? -1 : REAL(name)(folder, path, flags, mode); \
    }
#define ON_FD(type, name, params, ...)                                                                 \
    type name params { return refused_fd(fd) ? -1 : REAL(name)(__VA_ARGS__); }
#define ON_PATH(name, folder, params, ...)                                                             \
    int name params { return refused_at(folder, path) ? -1 : REAL(name)(__VA_ARGS__); }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
ON_FD(ssize_t, write, (int fd, const void *bytes, size_t size), fd, bytes, size)
ON_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), fd, bytes, size, at)
ON_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size, at)
ON_FD(int, ftruncate, (int fd, off_t size), fd, size)
ON_FD(int, ftruncate64, (int fd, off64_t size), fd, size)
ON_FD(int, fchmod, (int fd, mode_t mode), fd, mode)
ON_PATH(chmod, AT_FDCWD, (const char *path, mode_t mode), path, mode)
ON_PATH(mkdir, AT_FDCWD, (const char *path, mode_t mode), path, mode)
ON_PATH(mkdirat, folder, (int folder, const char *path, mode_t mode), folder, path, mode)
ON_PATH(rename, AT_FDCWD, (const char *path, const char *to), path, to)
ON_PATH(rmdir, AT_FDCWD, (const char *path), path)
ON_PATH(unlink, AT_FDCWD, (const char *path), path)
ON_PATH(unlinkat, folder, (int folder, const char *path, int flags), folder, path, flags)
