/* What a register holds: its width, the most it takes as it is written, and how it is read. */
struct reg {
    uint32_t most;
    uint8_t bits;
    uint8_t is_signed;
    uint8_t wraps;                            /* an address: only its low bits count */
};

/* Registers are numbered as in the header; 0, where a number is none, is never one of these. */
struct guard_registers {
    uint16_t below, above, step[LEVELS + 1];
};

struct tensor_registers {
    uint16_t at, row, words;
    uint16_t step[LEVELS + 1], gap[LEVELS + 1];
    uint16_t at_residue[MAX_DIMS], turn[LEVELS + 1][MAX_DIMS];
    uint16_t last[MAX_DIMS], stride[MAX_DIMS];
    uint16_t depth[MAX_LINKS], holds[MAX_LINKS];
};

/* In the map of a workload loop: coefficient * size(..) * .. * column (a time loop, then axes). */
struct term {
    int32_t coefficient;
    uint8_t loop, column, sizes, size[MAX_SIZES];
};

/* Units whose index is displaced by least..most, and on which sides these compare it. */
struct side {
    int32_t least, most;
    uint8_t loop, falls, rises;
};

/* An element is passed on dt time loop steps later, hop cycles more. */
struct link {
    int32_t hop, dt[MAX_TIME];
    uint8_t number;
};

/*
 * A tensor: index = matrix * (workload loops) + offset, and its memories.  Dimensions beyond its
 * own are of one index, in one bank.
 */
struct access {
    uint8_t dims;                             /* once merged */
    uint8_t hold;                             /* the time loops that move it */
    uint8_t dim[MAX_RANK];                    /* the merged dimension that an index is in */
    uint8_t rotating[MAX_DIMS];
    int32_t matrix[MAX_RANK][MAX_LOOPS], offset[MAX_RANK];
    int32_t lead[MAX_RANK];                   /* from the port of a chain to the unit it fills first */
    int32_t common[MAX_RANK];                 /* displacement of all ports alike, moved to the origin */
    int32_t chain_length, chain_spacing;      /* 0: no chain */
    int32_t chain_step[MAX_RANK];
    int32_t modulus[MAX_DIMS], folded[MAX_DIMS];
    int32_t words;                            /* of every memory */
    const struct link *links;
    uint8_t link_count;
};

struct flow {
    uint8_t loops, time, axes, guard_count, write_count;
    uint8_t leaves[MAX_LOOPS];                /* whether an index can leave its bounds at all */
    uint8_t guards[MAX_GUARDS], writes[MAX_GUARDS];
    uint32_t largest[MAX_LOOPS];
    int32_t given[MAX_TIME], space[MAX_AXES]; /* extents; 0: follows from the bounds */
    int32_t chain_cycles[MAX_TIME];           /* of the longest chain of what stays inside a loop */
    uint16_t term_count, side_count;
    const struct term *terms;
    const struct side *sides;
    struct access access[TENSORS];
};
