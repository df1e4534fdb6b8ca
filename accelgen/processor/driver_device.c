int accelerator_settings(const struct accelerator_problem *problem,
                         uint32_t settings[ACCELERATOR_REGISTERS])
{
    struct work w;
    uint32_t blocks[MAX_LOOPS];

    for (unsigned n = 0; n < ACCELERATOR_REGISTERS; n++) {
        settings[n] = 0;
    }
    if ((unsigned)problem->dataflow >= ACCELERATOR_DATAFLOWS) {
        return ACCELERATOR_BAD_BOUNDS;
    }
    w.flow = &flows[problem->dataflow];
    w.bound = problem->bounds.loop;
    w.setting = settings;
    w.error = 0;
    for (unsigned i = 0; i < w.flow->loops; i++) {
        if (w.bound[i] < 1 || w.bound[i] > w.flow->largest[i]) {
            return ACCELERATOR_BAD_BOUNDS;
        }
    }
    w.bound = count_blocks(problem, w.flow->loops, blocks);
    settings[0] = (uint32_t)problem->dataflow;
    put_formats(&w, problem);
    put_stage(&w, problem);
#ifdef ACCUMULATE_REGISTER
    put(&w, ACCUMULATE_REGISTER, problem->accumulate);
#endif
    resolve_extents(&w);
    if (w.error == 0) {
        evaluate_map(&w);
        check_sides(&w);
    }
    if (w.error == 0) {
        put_schedule(&w);
        put_guards(&w);
    }
    for (unsigned x = 0; x < TENSORS && w.error == 0; x++) {
        put_tensor(&w, x);
    }
    return w.error;
}

static uint32_t read_register(const struct accelerator_device *device, unsigned offset)
{
    return device->base[offset / 4];
}

static void write_register(struct accelerator_device *device, unsigned offset, uint32_t value)
{
    device->base[offset / 4] = value;
}

int accelerator_open(struct accelerator_device *device, volatile uint32_t *base)
{
    device->base = base;
    device->known = 0;
    if (read_register(device, ACCELERATOR_IDENTITY) != ACCELERATOR_MAGIC) {
        return ACCELERATOR_NO_DEVICE;
    }
    device->started = read_register(device, ACCELERATOR_FINISHED);
    return 0;
}

int accelerator_configure(struct accelerator_device *device,
                          const struct accelerator_problem *problem)
{
    uint32_t settings[ACCELERATOR_REGISTERS];
    uint32_t polls = ACCELERATOR_POLLS;
    int error = accelerator_settings(problem, settings);

    if (error != 0) {
        return error;
    }
    /* Registers cannot be written while the problem before still waits for the array. */
    while ((read_register(device, ACCELERATOR_STATUS) & ACCELERATOR_STATUS_READY) == 0) {
        if (polls-- == 0) {
            return ACCELERATOR_BUSY;
        }
    }
    for (unsigned n = 0; n < ACCELERATOR_REGISTERS; n++) {
        if (!device->known || device->written[n] != settings[n]) {
            write_register(device, FIRST_REGISTER + 4 * n, settings[n]);
            device->written[n] = settings[n];
        }
    }
    device->known = 1;
    write_register(device, ACCELERATOR_CONTROL, ACCELERATOR_CONTROL_START);
    /* The bus keeps the order of accesses to one device: this is the answer to the start. */
    if ((read_register(device, ACCELERATOR_STATUS) & ACCELERATOR_STATUS_REFUSED) != 0) {
        device->known = 0; /* The refused value is not in its register. */
        return ACCELERATOR_REFUSED_START;
    }
    device->started++;
    return 0;
}

int accelerator_cancel(struct accelerator_device *device)
{
    write_register(device, ACCELERATOR_CONTROL, ACCELERATOR_CONTROL_CANCEL);
    if ((read_register(device, ACCELERATOR_STATUS) & ACCELERATOR_STATUS_CANCELLED) == 0) {
        return ACCELERATOR_NOT_WAITING;
    }
    device->started--;
    return 0;
}

int accelerator_wait_idle(const struct accelerator_device *device)
{
    uint32_t polls = ACCELERATOR_POLLS;

    while (read_register(device, ACCELERATOR_FINISHED) != device->started) {
        if (polls-- == 0) {
            return ACCELERATOR_BUSY;
        }
    }
    return 0;
}

uint32_t accelerator_finished(const struct accelerator_device *device)
{
    return read_register(device, ACCELERATOR_FINISHED);
}
