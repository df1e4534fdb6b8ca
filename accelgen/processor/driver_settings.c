/* Extents are 0 while they are not known. */
struct work {
    const struct flow *flow;
    const uint32_t *bound;                    /* by workload loop */
    int32_t extent[MAX_TIME];                 /* by time loop */
    int32_t matrix[MAX_LOOPS][MAX_TIME];      /* by how much a time loop moves a workload loop */
    int32_t offset[MAX_LOOPS];                /* where a workload loop begins */
    int64_t stride[MAX_TIME];                 /* cycles from one step of a time loop to the next */
    uint32_t *setting;                        /* by register */
    int error;                                /* the first one; numbers after it are void */
};

/* Beyond these, no register holds what follows, and 64 bits may not either. */
#define MOST_NUMBER INT32_MAX
#define MOST_REACH ((int64_t)1 << 40)
#define MOST_STEPS ((int64_t)1 << 48)
#define MOST_CYCLES ((int64_t)1 << 56)

static void fail(struct work *w, int error)
{
    if (w->error == 0) {
        w->error = error;
    }
}

/* The value, or 0 and an error when its magnitude is beyond the most. */
static int64_t within(struct work *w, int64_t value, int64_t most)
{
    if (value > most || value < -most) {
        fail(w, ACCELERATOR_TOO_LARGE);
        return 0;
    }
    return value;
}

/* Division that rounds down, and what it leaves, 0 <= remainder < divisor; divisor > 0. */
static int64_t floor_div(int64_t value, int32_t divisor)
{
    int64_t quotient = value / divisor;

    return value % divisor < 0 ? quotient - 1 : quotient;
}

static int32_t remainder_of(int64_t value, int32_t divisor)
{
    int32_t left = (int32_t)(value % divisor);

    return left < 0 ? left + divisor : left;
}

/* Set a register to a number (register 0 is none of a number: it is a constant of the hardware). */
static void put(struct work *w, unsigned index, int64_t number)
{
    const struct reg *reg = &registers[index];
    uint32_t mask, coded;
    int64_t back;

    if (index == 0) {
        return;
    }
    mask = reg->bits >= 32 ? UINT32_MAX : ((uint32_t)1 << reg->bits) - 1;
    coded = (uint32_t)((uint64_t)number & mask);
    back = coded;
    if (reg->is_signed && (coded >> (reg->bits - 1)) != 0) {
        back -= (int64_t)mask + 1;
    }
    /* Addresses, and what is added to them, count modulo the memory. */
    if (coded > reg->most || (back != number && !reg->wraps)) {
        fail(w, ACCELERATOR_TOO_LARGE);
    }
    w->setting[index] = coded;
}

/* What size() of a symbol is: time loops come first, then workload loops. */
static int32_t size_of(const struct work *w, unsigned symbol)
{
    unsigned time = w->flow->time;

    return symbol < time ? w->extent[symbol] : (int32_t)w->bound[symbol - time];
}

/* What multiplies a column in the map of a workload loop; false while that is not known. */
static bool coefficient(struct work *w, unsigned loop, unsigned column, int32_t *value)
{
    const struct flow *flow = w->flow;
    int64_t sum = 0;

    for (unsigned n = 0; n < flow->term_count; n++) {
        const struct term *term = &flow->terms[n];
        int64_t product = term->coefficient;

        if (term->loop != loop || term->column != column) {
            continue;
        }
        for (unsigned f = 0; f < term->sizes; f++) {
            int32_t size = size_of(w, term->size[f]);

            if (size == 0) {
                return false;
            }
            product = within(w, product * size, MOST_NUMBER);
        }
        sum += product;
    }
    *value = (int32_t)within(w, sum, MOST_NUMBER);
    return true;
}

static bool uses(const struct flow *flow, unsigned loop, unsigned column)
{
    for (unsigned n = 0; n < flow->term_count; n++) {
        if (flow->terms[n].loop == loop && flow->terms[n].column == column) {
            return true;
        }
    }
    return false;
}

/*
 * The extent that a time loop needs in the map of a workload loop; 0 when that does not say (yet).
 * It must reach the next larger coefficient, or the bound where it has the largest itself.
 */
static int64_t needed(struct work *w, unsigned loop, unsigned column)
{
    const struct flow *flow = w->flow;
    int64_t low = 0, high = 0, larger = 0, missing, bound = (int64_t)w->bound[loop];
    int64_t step, magnitude;
    int32_t value;

    if (!coefficient(w, loop, column, &value) || value == 0) {
        return 0;
    }
    step = value < 0 ? -(int64_t)value : value;
    for (unsigned other = 0; other < (unsigned)(flow->time + flow->axes); other++) {
        int32_t by, size;

        if (other == column) {
            continue;
        }
        if (!coefficient(w, loop, other, &by)) {
            return 0;
        }
        size = other < flow->time ? w->extent[other] : flow->space[other - flow->time];
        magnitude = by < 0 ? -(int64_t)by : by;
        if (by == 0 || size == 1) { /* What stands still has no say. */
            continue;
        }
        if (magnitude == step) {
            return 0;
        }
        if (magnitude > step) {
            larger = larger == 0 || magnitude < larger ? magnitude : larger;
        } else if (size == 0) {
            return 0;
        } else if (by < 0) {
            low = within(w, low + (int64_t)by * (size - 1), MOST_REACH);
        } else {
            high = within(w, high + (int64_t)by * (size - 1), MOST_REACH);
        }
    }
    if (larger != 0) {
        missing = larger - (1 + high - low);
    } else {
        int32_t offset;

        if (!coefficient(w, loop, CONSTANT, &offset)) {
            missing = bound - (1 + high - low);
        } else if (value > 0) {
            missing = bound - 1 - offset - high;
        } else {
            missing = offset + low;
        }
    }
    return missing <= 0 ? 1 : (missing + step - 1) / step + 1;
}

/* One round: the extents that follow from those known.  False when no map says anything. */
static bool find_extents(struct work *w)
{
    const struct flow *flow = w->flow;
    int64_t need[MAX_TIME];
    bool silent[MAX_TIME];
    bool said = false, complete = false;

    for (unsigned t = 0; t < flow->time; t++) {
        need[t] = 0;
        silent[t] = false;
        for (unsigned loop = 0; w->extent[t] == 0 && loop < flow->loops; loop++) {
            if (uses(flow, loop, t)) {
                int64_t extent = needed(w, loop, t);

                silent[t] = silent[t] || extent == 0;
                need[t] = extent > need[t] ? extent : need[t];
            }
        }
        said = said || need[t] != 0;
        complete = complete || (need[t] != 0 && !silent[t]);
    }
    for (unsigned t = 0; t < flow->time; t++) {
        /* A loop in several maps waits until each has its say, unless that would be for ever. */
        if (need[t] != 0 && !(complete && silent[t])) {
            w->extent[t] = (int32_t)within(w, need[t], MOST_NUMBER);
        }
    }
    return said;
}

static void resolve_extents(struct work *w)
{
    const struct flow *flow = w->flow;
    int64_t steps = 1;

    for (unsigned t = 0; t < flow->time; t++) {
        w->extent[t] = flow->given[t];
    }
    for (unsigned t = 0; t < flow->time && w->error == 0; t++) {
        /* A round finds at least one, of which this may not be the next. */
        while (w->extent[t] == 0 && w->error == 0) {
            if (!find_extents(w)) {
                fail(w, ACCELERATOR_NO_MAP);
            }
        }
    }
    for (unsigned t = 0; t < flow->time && w->error == 0; t++) {
        if (w->extent[t] > MOST_STEPS / steps) {
            fail(w, ACCELERATOR_TOO_LARGE);
        } else {
            steps *= w->extent[t];
        }
    }
}

static void evaluate_map(struct work *w)
{
    for (unsigned loop = 0; loop < w->flow->loops; loop++) {
        for (unsigned t = 0; t < w->flow->time; t++) {
            (void)coefficient(w, loop, t, &w->matrix[loop][t]);
        }
        (void)coefficient(w, loop, CONSTANT, &w->offset[loop]);
    }
}

/*
 * Units compare an index with its bounds where it can leave them, on the sides found at the largest
 * bounds.  The hardware cannot run a problem that leaves them on another side.
 */
static void check_sides(struct work *w)
{
    const struct flow *flow = w->flow;

    for (unsigned n = 0; n < flow->side_count; n++) {
        const struct side *side = &flow->sides[n];
        const int32_t *step = w->matrix[side->loop];
        int64_t low = w->offset[side->loop], high = low, bound = (int64_t)w->bound[side->loop];
        bool backward = low < 0, leaves = flow->leaves[side->loop] != 0;

        for (unsigned t = 0; t < flow->time; t++) {
            int64_t reach = (int64_t)step[t] * (w->extent[t] - 1);

            backward = backward || step[t] < 0;
            low = within(w, low + (reach < 0 ? reach : 0), MOST_REACH);
            high = within(w, high + (reach > 0 ? reach : 0), MOST_REACH);
        }
        for (unsigned end = 0; end < 2; end++) {
            int32_t place = end == 0 ? side->least : side->most;
            bool falls = (leaves && backward) || low + place < 0;
            bool rises = leaves || high + place >= bound;

            if (falls != (side->falls != 0) || rises != (side->rises != 0)) {
                fail(w, ACCELERATOR_NO_MAP);
            }
        }
    }
}

/* The cycles of a step of each time loop, stretched where a shift chain takes longer than a tile. */
static void put_schedule(struct work *w)
{
    const struct flow *flow = w->flow;
    unsigned pad = LEVELS - flow->time;
    int64_t length = 1, inner = 0;

    for (unsigned t = flow->time; t-- > 0;) {
        length = flow->chain_cycles[t] > length ? flow->chain_cycles[t] : length;
        if (w->extent[t] > MOST_CYCLES / length) {
            fail(w, ACCELERATOR_TOO_LARGE);
            return;
        }
        w->stride[t] = length;
        put(w, last_registers[t + pad], w->extent[t] - 1);
        put(w, gap_registers[t + pad], length - inner - 1);
        inner += (w->extent[t] - 1) * length;
        length *= w->extent[t];
    }
}
