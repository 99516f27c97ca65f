// Memory said beforehand. See memory.h.

#include "job/memory.h"

#include <string.h>
#include <sys/stat.h>

twi_room twi_memory_room(int64_t limit)
{
    twi_room room = twi_room_now();
    if (limit > 0 && limit - room.used < room.bytes) {
        room.bytes = limit > room.used ? limit - room.used : 0;
        room.why = "--memory";
    }
    return room;
}

tw_status twi_memory_check(int64_t more, int64_t limit, const char *what, const char *advice, tw_err *err)
{
    twi_room room = twi_memory_room(limit);
    if (more <= room.bytes)
        return TW_OK;
    char needed[32], allowed[32];
    int64_t total = room.used + room.bytes; // of which --memory may have less than is taken already
    total = limit > 0 && limit < total ? limit : total;
    return twi_fail(err, TW_ENOMEM, "%s needs about %s of memory; %s allows %s\n%s", what,
                    twi_bytes_text(needed, sizeof needed, room.used + more), room.why,
                    twi_bytes_text(allowed, sizeof allowed, total), advice);
}

int64_t twi_memory_all(const twi_need *need, int workers)
{
    return need->fixed + need->per_worker * workers;
}

int twi_memory_workers(const twi_need *need, int wanted, int64_t limit)
{
    int64_t bytes = twi_memory_room(limit).bytes;
    int n = wanted > 1 ? wanted : 1;
    while (n > 1 && twi_memory_all(need, n) > bytes)
        n--;
    return n;
}

tw_status twi_memory_fit_predictor(twi_predictor *p, int wanted, tw_err *err)
{
    twi_need need = twi_predictor_need(p);
    int n = twi_memory_workers(&need, wanted, 0);
    twi_predictor_set_workers(p, n);
    return twi_memory_check(twi_memory_all(&need, n), 0, "answering for photos", "try  a smaller model", err);
}

tw_status twi_memory_check_weights(const tw_model *m, tw_err *err)
{
    twi_weights all = {0};
    tw_status status = twi_model_weights(m, &all, err);
    int64_t bytes = 0;
    for (int i = 0; !status && i < all.n; i++)
        if (!all.at[i]->data)
            bytes += twi_shape_count(&all.at[i]->shape) * (int64_t)sizeof(float);
    twi_weights_clear(&all);
    char what[128];
    snprintf(what, sizeof what, "'%.80s' alone", m->name);
    return status ? status
                  : twi_memory_check(bytes, 0, what,
                                     "try  a smaller network (topwork models), or a smaller head", err);
}

tw_status twi_memory_check_file(const char *path, tw_err *err)
{
    struct stat info;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char what[128];
    snprintf(what, sizeof what, "reading '%.80s'", name);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) // whoever opens it says so
        return TW_OK;
    return twi_memory_check((int64_t)info.st_size, 0, what, "try  a smaller model", err);
}
