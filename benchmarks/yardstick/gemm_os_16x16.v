// Y[m,n] += A[m,k] * B[k,n], m = n = k = 64, int8, on 16 x 16 output-stationary units.
//
// Written by hand, as a yardstick for what accelgen generates for dataflows/gemm_os_systolic.yaml:
// the same ports, the same double buffers, the same rules for packets of the wrong length.
//
// Cycle c reads k of bank 0 of A and of both banks of B.  Unit (i, j) multiplies in cycle
// c + 2 + i + j; its sum is complete after k = 63, is copied into a shift chain one cycle later
// and leaves the chain of column j upwards, a row every second cycle.
`default_nettype none

module gemm_os_16x16 (
    input  wire        clk,
    input  wire        rst,
    input  wire [63:0] s_axis_a_tdata,
    input  wire        s_axis_a_tvalid,
    output wire        s_axis_a_tready,
    input  wire        s_axis_a_tlast,
    input  wire [63:0] s_axis_b_tdata,
    input  wire        s_axis_b_tvalid,
    output wire        s_axis_b_tready,
    input  wire        s_axis_b_tlast,
    output wire [63:0] m_axis_y_tdata,
    output wire        m_axis_y_tvalid,
    input  wire        m_axis_y_tready,
    output wire        m_axis_y_tlast,
    output wire        busy,
    output wire        error
);
  wire a_full, b_full, a_page, b_page, a_error, b_error;
  wire a_we, b_we, a_wpage, b_wpage;
  wire [8:0] a_waddr, b_waddr;
  wire [63:0] a_wdata, b_wdata;
  wire commit;

  yardstick_loader load_a (
      .clk(clk), .rst(rst), .tdata(s_axis_a_tdata), .tvalid(s_axis_a_tvalid),
      .tready(s_axis_a_tready), .tlast(s_axis_a_tlast), .we(a_we), .wpage(a_wpage),
      .waddr(a_waddr), .wdata(a_wdata), .full(a_full), .page(a_page), .release_page(commit),
      .error(a_error));
  yardstick_loader load_b (
      .clk(clk), .rst(rst), .tdata(s_axis_b_tdata), .tvalid(s_axis_b_tvalid),
      .tready(s_axis_b_tready), .tlast(s_axis_b_tlast), .we(b_we), .wpage(b_wpage),
      .waddr(b_waddr), .wdata(b_wdata), .full(b_full), .page(b_page), .release_page(commit),
      .error(b_error));
  assign error = a_error | b_error;

  // Control: t = {m1, n1, k} runs through the problem once.
  reg running, counting;
  reg [9:0] t;
  reg y_wpage;
  wire [1:0] y_full;
  wire go = a_full & b_full & ~running & ~y_full[y_wpage];
  always @(posedge clk) begin
    if (rst) running <= 1'b0;
    else if (go) running <= 1'b1;
    else if (commit) running <= 1'b0;
    if (rst) counting <= 1'b0;
    else if (go) counting <= 1'b1;
    else if (&t) counting <= 1'b0;
    if (go) t <= 10'd0;
    else if (counting) t <= t + 10'd1;
    if (rst) y_wpage <= 1'b0;
    else if (commit) y_wpage <= ~y_wpage;
  end
  assign busy = running;

  wire [7:0] a_row [0:15];
  wire [7:0] b_column [0:15];
  wire [21:0] y_column [0:15];
  yardstick_buffer_a buffer_a (
      .clk(clk), .we(a_we), .wpage(a_wpage), .waddr(a_waddr), .wdata(a_wdata), .page(a_page),
      .m1(t[9:8]), .k(t[5:0]),
      .row({a_row[15], a_row[14], a_row[13], a_row[12], a_row[11], a_row[10], a_row[9], a_row[8],
            a_row[7], a_row[6], a_row[5], a_row[4], a_row[3], a_row[2], a_row[1], a_row[0]}));
  yardstick_buffer_b buffer_b (
      .clk(clk), .we(b_we), .wpage(b_wpage), .waddr(b_waddr), .wdata(b_wdata), .page(b_page),
      .n1(t[7:6]), .k(t[5:0]),
      .column({b_column[15], b_column[14], b_column[13], b_column[12], b_column[11], b_column[10],
               b_column[9], b_column[8], b_column[7], b_column[6], b_column[5], b_column[4],
               b_column[3], b_column[2], b_column[1], b_column[0]}));

  yardstick_array array (
      .clk(clk), .first(counting & t[5:0] == 6'd0), .last(counting & (&t[5:0])),
      .a({a_row[15], a_row[14], a_row[13], a_row[12], a_row[11], a_row[10], a_row[9], a_row[8],
          a_row[7], a_row[6], a_row[5], a_row[4], a_row[3], a_row[2], a_row[1], a_row[0]}),
      .b({b_column[15], b_column[14], b_column[13], b_column[12], b_column[11], b_column[10],
          b_column[9], b_column[8], b_column[7], b_column[6], b_column[5], b_column[4],
          b_column[3], b_column[2], b_column[1], b_column[0]}),
      .y({y_column[15], y_column[14], y_column[13], y_column[12], y_column[11], y_column[10],
          y_column[9], y_column[8], y_column[7], y_column[6], y_column[5], y_column[4],
          y_column[3], y_column[2], y_column[1], y_column[0]}));

  // Four cycles after the last k of a tile row 0 leaves column 0, then a row every second cycle.
  reg [2:0] ending;
  reg draining;
  reg [4:0] drained;
  reg [3:0] tile;
  always @(posedge clk) begin
    if (rst) ending <= 3'd0;
    else ending <= {ending[1:0], counting & (&t[5:0])};
    if (counting & (&t[5:0])) tile <= t[9:6];
    if (rst) draining <= 1'b0;
    else if (ending[2]) draining <= 1'b1;
    else if (&drained) draining <= 1'b0;
    if (ending[2]) drained <= 5'd0;
    else if (draining) drained <= drained + 5'd1;
  end

  yardstick_buffer_y buffer_y (
      .clk(clk), .rst(rst), .we(draining & ~drained[0]),
      .waddr({tile[3:2], drained[4:1], tile[1:0]}), .wpage(y_wpage), .commit(commit),
      .data({y_column[15], y_column[14], y_column[13], y_column[12], y_column[11], y_column[10],
             y_column[9], y_column[8], y_column[7], y_column[6], y_column[5], y_column[4],
             y_column[3], y_column[2], y_column[1], y_column[0]}),
      .full(y_full), .tdata(m_axis_y_tdata), .tvalid(m_axis_y_tvalid), .tready(m_axis_y_tready),
      .tlast(m_axis_y_tlast));
endmodule

// Takes packets of 512 beats into two pages in turn; drops those of another length.
module yardstick_loader (
    input  wire        clk,
    input  wire        rst,
    input  wire [63:0] tdata,
    input  wire        tvalid,
    output wire        tready,
    input  wire        tlast,
    output reg         we,
    output reg         wpage,
    output reg  [8:0]  waddr,
    output reg  [63:0] wdata,
    output wire        full,
    output reg         page,
    input  wire        release_page,
    output reg         error
);
  reg [8:0] position;
  reg discarding, filling, complete;
  reg [1:0] held, available;
  assign tready = ~held[1];
  assign full = |available;
  wire taken = tvalid & tready & ~discarding;
  wire at_end = &position;
  wire good = taken & at_end & tlast;
  always @(posedge clk) begin
    if (rst) discarding <= 1'b0;
    else if (taken & at_end & ~tlast) discarding <= 1'b1;
    else if (tvalid & tready & tlast) discarding <= 1'b0;
    if (rst) position <= 9'd0;
    else if (taken) position <= tlast ? 9'd0 : position + 9'd1;
    if (rst) error <= 1'b0;
    else if (taken & (at_end ^ tlast)) error <= 1'b1;
    if (rst) filling <= 1'b0;
    else if (good) filling <= ~filling;
    if (rst) complete <= 1'b0;
    else complete <= good;
    if (rst) held <= 2'd0;
    else held <= held + {1'b0, good} - {1'b0, release_page};
    if (rst) available <= 2'd0;
    else available <= available + {1'b0, complete} - {1'b0, release_page};
    if (rst) page <= 1'b0;
    else if (release_page) page <= ~page;
    we <= taken;
    wpage <= filling;
    waddr <= position;
    wdata <= tdata;
  end
endmodule

// A memory with a write and a read port; what was read stays.
module yardstick_bank #(
    parameter WIDTH = 64,
    parameter BITS = 6
) (
    input  wire             clk,
    input  wire             we,
    input  wire [BITS-1:0]  waddr,
    input  wire [WIDTH-1:0] wdata,
    input  wire             re,
    input  wire [BITS-1:0]  raddr,
    output reg  [WIDTH-1:0] rdata
);
  reg [WIDTH-1:0] cells [0:(1<<BITS)-1];
  always @(posedge clk) begin
    if (we) cells[waddr] <= wdata;
    if (re) rdata <= cells[raddr];
  end
endmodule

// Row m = 16 m1 + i of A in bank i, eight k to a word; bank i reads i cycles after bank 0.
module yardstick_buffer_a (
    input  wire         clk,
    input  wire         we,
    input  wire         wpage,
    input  wire [8:0]   waddr,
    input  wire [63:0]  wdata,
    input  wire         page,
    input  wire [1:0]   m1,
    input  wire [5:0]   k,
    output wire [127:0] row
);
  wire [7:0] at [0:15];
  assign at[0] = {m1, k};
  genvar i;
  generate
    for (i = 0; i < 16; i = i + 1) begin : rows
      wire [63:0] word;
      reg [2:0] lane;
      yardstick_bank #(.WIDTH(64), .BITS(6)) bank (
          .clk(clk), .we(we & waddr[6:3] == i), .waddr({waddr[8:7], waddr[2:0], wpage}),
          .wdata(wdata), .re(1'b1), .raddr({at[i][7:3], page}), .rdata(word));
      always @(posedge clk) lane <= at[i][2:0];
      assign row[8*i+:8] = word[8*lane+:8];
      if (i < 15) begin : next
        reg [7:0] after;
        always @(posedge clk) after <= at[i];
        assign at[i+1] = after;
      end
    end
  endgenerate
endmodule

// Row k of B in two banks, columns 0 to 7 and 8 to 15 of a tile; column j comes j cycles later.
module yardstick_buffer_b (
    input  wire         clk,
    input  wire         we,
    input  wire         wpage,
    input  wire [8:0]   waddr,
    input  wire [63:0]  wdata,
    input  wire         page,
    input  wire [1:0]   n1,
    input  wire [5:0]   k,
    output wire [127:0] column
);
  wire [127:0] word;
  genvar h, j;
  generate
    for (h = 0; h < 2; h = h + 1) begin : halves
      yardstick_bank #(.WIDTH(64), .BITS(9)) bank (
          .clk(clk), .we(we & waddr[0] == h), .waddr({waddr[8:3], waddr[2:1], wpage}),
          .wdata(wdata), .re(1'b1), .raddr({k, n1, page}), .rdata(word[64*h+:64]));
    end
    assign column[7:0] = word[7:0];
    for (j = 1; j < 16; j = j + 1) begin : columns
      reg [8*j-1:0] line;
      if (j == 1) begin : one
        always @(posedge clk) line <= word[8*j+:8];
      end else begin : more
        always @(posedge clk) line <= {line[8*j-9:0], word[8*j+:8]};
      end
      assign column[8*j+:8] = line[8*j-1-:8];
    end
  endgenerate
endmodule

// 16 x 16 units; first and last belong to the k that the buffers are asked for in this cycle.
module yardstick_array (
    input  wire         clk,
    input  wire         first,
    input  wire         last,
    input  wire [127:0] a,
    input  wire [127:0] b,
    output wire [351:0] y
);
  reg [32:0] firsts, lasts;
  always @(posedge clk) begin
    firsts <= {firsts[31:0], first};
    lasts <= {lasts[31:0], last};
  end
  wire [7:0] east [0:271];
  wire [7:0] south [0:271];
  wire [21:0] north [0:271];
  genvar i, j;
  generate
    for (i = 0; i < 16; i = i + 1) begin : edges
      assign east[17*i] = a[8*i+:8];
      assign south[i] = b[8*i+:8];
      assign y[22*i+:22] = north[i];
    end
    for (i = 0; i < 16; i = i + 1) begin : rows
      for (j = 0; j < 16; j = j + 1) begin : units
        if (i < 15) begin : inner
          yardstick_unit pe (
              .clk(clk), .first(firsts[1+i+j]), .copy(lasts[2+i+j]), .a_in(east[17*i+j]),
              .b_in(south[16*i+j]), .below(north[16*(i+1)+j]), .a(east[17*i+j+1]),
              .b(south[16*(i+1)+j]), .leaving(north[16*i+j]));
        end else begin : bottom
          yardstick_bottom_unit pe (
              .clk(clk), .first(firsts[1+i+j]), .a_in(east[17*i+j]), .b_in(south[16*i+j]),
              .a(east[17*i+j+1]), .leaving(north[16*i+j]));
        end
      end
    end
  endgenerate
endmodule

module yardstick_unit (
    input  wire               clk,
    input  wire               first,
    input  wire               copy,
    input  wire signed [7:0]  a_in,
    input  wire signed [7:0]  b_in,
    input  wire        [21:0] below,
    output reg  signed [7:0]  a,
    output reg  signed [7:0]  b,
    output reg         [21:0] leaving
);
  reg signed [21:0] sum;
  wire signed [15:0] product = a * b;
  always @(posedge clk) begin
    a <= a_in;
    b <= b_in;
    sum <= (first ? 22'sd0 : sum) + product;
    leaving <= copy ? sum : below;
  end
endmodule

// Nothing comes from below the last row: what leaves is the sum itself.
module yardstick_bottom_unit (
    input  wire               clk,
    input  wire               first,
    input  wire signed [7:0]  a_in,
    input  wire signed [7:0]  b_in,
    output reg  signed [7:0]  a,
    output reg         [21:0] leaving
);
  reg signed [7:0] b;
  reg signed [21:0] sum;
  wire signed [15:0] product = a * b;
  always @(posedge clk) begin
    a <= a_in;
    b <= b_in;
    sum <= (first ? 22'sd0 : sum) + product;
    leaving <= sum;
  end
endmodule

// Column j of a tile in bank j, written j cycles after column 0; streamed out in row-major order.
module yardstick_buffer_y (
    input  wire         clk,
    input  wire         rst,
    input  wire         we,
    input  wire [7:0]   waddr,
    input  wire         wpage,
    output wire         commit,
    input  wire [351:0] data,
    output reg  [1:0]   full,
    output wire [63:0]  tdata,
    output reg          tvalid,
    input  wire         tready,
    output reg          tlast
);
  wire [8:0] at [0:15];
  assign at[0] = {we, waddr};
  assign commit = &at[15];

  // Reading: {m, n1, pair of columns}.
  reg [10:0] position;
  reg rpage, done_page, fetched, fetched_last;
  reg [2:0] pair;
  wire advance = ~tvalid | tready;
  wire issue = advance & full[rpage];
  wire at_end = &position;
  wire done = advance & fetched & fetched_last;
  wire [351:0] read;
  genvar j;
  generate
    for (j = 0; j < 16; j = j + 1) begin : columns
      yardstick_bank #(.WIDTH(22), .BITS(9)) bank (
          .clk(clk), .we(at[j][8]), .waddr({at[j][7:0], wpage}), .wdata(data[22*j+:22]),
          .re(issue & position[2:0] == j / 2), .raddr({position[10:3], rpage}),
          .rdata(read[22*j+:22]));
      if (j < 15) begin : next
        reg [8:0] after;
        always @(posedge clk)
          if (rst) after <= 9'd0;
          else after <= at[j];
        assign at[j+1] = after;
      end
    end
  endgenerate
  reg [43:0] beat;
  assign tdata = {20'd0, beat};
  always @(posedge clk) begin
    if (rst) position <= 11'd0;
    else if (issue) position <= position + 11'd1;
    if (rst) rpage <= 1'b0;
    else if (issue & at_end) rpage <= ~rpage;
    if (issue) begin
      pair <= position[2:0];
      fetched_last <= at_end;
    end
    if (rst) fetched <= 1'b0;
    else if (advance) fetched <= issue;
    if (advance & fetched) beat <= read[44*pair+:44];
    if (rst) tvalid <= 1'b0;
    else if (advance) tvalid <= fetched;
    if (advance) tlast <= fetched & fetched_last;
    if (rst) done_page <= 1'b0;
    else if (done) done_page <= ~done_page;
    if (rst) full <= 2'd0;
    else begin
      if (commit) full[wpage] <= 1'b1;
      if (done) full[done_page] <= 1'b0;
    end
  end
endmodule

`default_nettype wire
