// Memory said beforehand. See memory.h.

#include "job/memory.h"

#include <math.h>
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

// What the process holds differs a little from one start to the next, so not all of the room is used.
tw_status twi_memory_lower(const tw_model *m, const twi_fit_size *size, twi_fit_options *o, int64_t limit,
                           twi_need *need, tw_err *err)
{
    twi_need less = {0};
    int64_t room = twi_memory_room(limit).bytes, over = twi_memory_all(need, o->threads) - (room - room / 32);
    if (over <= 0)
        return TW_OK;
    o->run_limit = need->run > over ? need->run - over : 1;
    tw_status status = twi_need_fit(m, size, o, &less, err);
    if (!status && less.run < need->run)
        *need = less;
    else
        o->run_limit = 0;
    return status;
}

void twi_memory_say_lowered(tw_context *tw, const char *what, int64_t limit, double more_time)
{
    char text[32];
    twi_room room = twi_memory_room(limit);
    twi_note(tw,
             "%s keeps a part of its activations, and the others are recomputed on the way back, to stay "
             "below %s (%s): the same numbers, and about %.0f %% more time a step",
             what, twi_bytes_text(text, sizeof text, room.used + room.bytes), room.why,
             fmax(1, 100 * more_time));
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
