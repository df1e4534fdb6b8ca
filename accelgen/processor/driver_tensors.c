/*
 * A tensor of the problem: how its index moves, and where its elements are in the memories.
 * Dimensions that it does not have are of one index, which is 0 and does not move.
 */
struct moves {
    unsigned loops;                           /* that move it; one over its chain is the last */
    int32_t step[MAX_RANK][MAX_TIME + 1];
    int32_t origin[MAX_RANK];                 /* of the index */
    int32_t shape[MAX_RANK];
    int32_t weight[MAX_RANK];                 /* of an index within its merged dimension */
    int32_t merged[MAX_DIMS];                 /* the shape with dimensions merged */
    int32_t stride[MAX_DIMS];                 /* words from one index / modulus to the next */
};

/* The level of a loop of a tensor: its registers count from the deepest dataflow's outermost. */
static unsigned level_of(const struct work *w, const struct access *access, unsigned loop)
{
    return loop == access->hold ? LEVELS : loop + LEVELS - w->flow->time;
}

static void find_moves(struct work *w, const struct access *access, struct moves *m)
{
    const struct flow *flow = w->flow;

    m->loops = (unsigned)access->hold + (access->chain_length != 0);
    for (unsigned d = 0; d < MAX_RANK; d++) {
        const int32_t *row = access->matrix[d];
        int64_t origin = (int64_t)access->offset[d] + access->lead[d];
        int32_t last = access->offset[d];

        for (unsigned i = 0; i < flow->loops; i++) {
            origin = within(w, origin + (int64_t)row[i] * w->offset[i], MOST_NUMBER);
            /* Cannot overflow: it does not at the largest bounds. */
            last += row[i] > 0 ? row[i] * (int32_t)(w->bound[i] - 1) : 0;
        }
        m->origin[d] = (int32_t)origin;
        m->shape[d] = last + 1;
        for (unsigned t = 0; t < access->hold; t++) {
            int64_t step = 0;

            for (unsigned i = 0; i < flow->loops; i++) {
                step = within(w, step + (int64_t)row[i] * w->matrix[i][t], MOST_NUMBER);
            }
            m->step[d][t] = (int32_t)step;
        }
        m->step[d][access->hold] = access->chain_step[d];
    }
}

/* Row-major merging, and addresses over what is left of the merged shape by the banks. */
static void find_layout(struct work *w, const struct access *access, struct moves *m)
{
    int32_t words = 1;

    for (unsigned j = 0; j < MAX_DIMS; j++) {
        m->merged[j] = 1;
    }
    for (unsigned d = MAX_RANK; d-- > 0;) {
        m->weight[d] = m->merged[access->dim[d]];
        m->merged[access->dim[d]] *= m->shape[d];
    }
    for (unsigned j = MAX_DIMS; j-- > 0;) {
        m->stride[j] = words;
        words *= (m->merged[j] + access->modulus[j] - 1) / access->modulus[j];
    }
    if (words > access->words) {
        fail(w, ACCELERATOR_TOO_DEEP);
    }
}

static void put_shape(struct work *w, const struct access *access,
                      const struct tensor_registers *to, const struct moves *m)
{
    unsigned last = access->dims - 1u;
    int32_t rows = (m->merged[0] + access->modulus[0] - 1) / access->modulus[0];

    put(w, to->row, m->merged[last]);
    for (unsigned j = 0; j < last; j++) {
        put(w, to->last[j], m->merged[j] - 1);
        put(w, to->stride[j], m->stride[j]);
    }
    put(w, to->words, (int64_t)rows * m->stride[0]);
}

/* The first address and its steps; where ports turn from bank to bank, the residues of both. */
static void put_addresses(struct work *w, const struct access *access,
                          const struct tensor_registers *to, const struct moves *m)
{
    uint32_t at = 0;

    for (unsigned j = 0; j < access->dims; j++) {
        int64_t origin = 0;
        int32_t modulus = access->modulus[j], residue;

        for (unsigned d = 0; d < MAX_RANK; d++) {
            if (access->dim[d] == j) {
                origin += ((int64_t)m->origin[d] + access->common[d]) * m->weight[d];
            }
        }
        residue = remainder_of(origin, modulus);
        at += (uint32_t)floor_div(origin, modulus) * (uint32_t)m->stride[j];
        if (access->rotating[j]) {
            put(w, to->at_residue[j], residue);
        } else if (residue != access->folded[j]) {
            fail(w, ACCELERATOR_NO_MAP); /* The banks of the ports are wired. */
        }
    }
    put(w, to->at, at);
    for (unsigned loop = 0; loop < m->loops; loop++) {
        unsigned level = level_of(w, access, loop);
        uint32_t step = 0;

        for (unsigned j = 0; j < access->dims; j++) {
            int64_t by = 0;

            for (unsigned d = 0; d < MAX_RANK; d++) {
                by += access->dim[d] == j ? (int64_t)m->step[d][loop] * m->weight[d] : 0;
            }
            step += (uint32_t)floor_div(by, access->modulus[j]) * (uint32_t)m->stride[j];
            if (access->rotating[j]) {
                put(w, to->turn[level][j], remainder_of(by, access->modulus[j]));
            }
        }
        put(w, to->step[level], step);
    }
}

/* The cycles in which the loading of an input waits, after a step of each of its loops. */
static void put_gaps(struct work *w, const struct access *access,
                     const struct tensor_registers *to, const struct moves *m)
{
    int64_t inner = 0;

    for (unsigned loop = m->loops; loop-- > 0;) {
        bool chain = loop == access->hold;
        int64_t stride = chain ? access->chain_spacing : w->stride[loop];

        put(w, to->gap[level_of(w, access, loop)], stride - inner - 1);
        inner += ((chain ? access->chain_length : w->extent[loop]) - 1) * stride;
    }
}

/* Links that pass an element on some time later: how deep they are, and whether they ever hold. */
static void put_links(struct work *w, const struct access *access,
                      const struct tensor_registers *to)
{
    for (unsigned n = 0; n < access->link_count; n++) {
        const struct link *link = &access->links[n];
        bool holds = true;
        int64_t depth = link->hop;

        for (unsigned t = 0; t < w->flow->time; t++) {
            int32_t dt = link->dt[t];

            holds = holds && dt < w->extent[t] && -dt < w->extent[t];
            depth += holds ? dt * w->stride[t] : 0;
        }
        holds = holds && depth > 0;
        put(w, to->depth[link->number], holds ? depth - 1 : 0);
        put(w, to->holds[link->number], holds);
    }
}

/* A guarded index at first, and at first less its bound; its steps are put one by one. */
static void put_guard(struct work *w, const struct guard_registers *to, int32_t origin,
                      int64_t bound)
{
    put(w, to->below, origin);
    put(w, to->above, (int64_t)origin - bound);
}

static void put_guards(struct work *w)
{
    const struct flow *flow = w->flow;

    for (unsigned k = 0; k < flow->guard_count; k++) {
        unsigned i = flow->guards[k];

        put_guard(w, &guard_registers[k], w->offset[i], (int64_t)w->bound[i]);
        for (unsigned t = 0; t < flow->time; t++) {
            put(w, guard_registers[k].step[t + LEVELS - flow->time], w->matrix[i][t]);
        }
    }
}

/* The output is the last tensor; its writes are guarded in its own dimensions. */
static void put_write_guards(struct work *w, const struct access *access, const struct moves *m)
{
    const struct flow *flow = w->flow;

    for (unsigned k = 0; k < flow->write_count; k++) {
        unsigned d = flow->writes[k];

        put_guard(w, &write_registers[k], m->origin[d], m->shape[d]);
        for (unsigned loop = 0; loop < m->loops; loop++) {
            put(w, write_registers[k].step[level_of(w, access, loop)], m->step[d][loop]);
        }
    }
}

static void put_tensor(struct work *w, unsigned tensor)
{
    const struct access *access = &w->flow->access[tensor];
    const struct tensor_registers *to = &tensor_registers[tensor];
    struct moves m;

    find_moves(w, access, &m);
    find_layout(w, access, &m);
    if (w->error != 0) {
        return;
    }
    put_shape(w, access, to, &m);
    put_addresses(w, access, to, &m);
    if (tensor + 1 < TENSORS) {
        put_gaps(w, access, to, &m);
        put_links(w, access, to);
    } else {
        put_write_guards(w, access, &m);
        put_planes(w, m.shape);
    }
}
