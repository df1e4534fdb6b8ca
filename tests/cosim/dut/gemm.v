// A small stream GEMM, Y[m,n] += A[m,k] * B[k,n], written by hand: the test bench is tested with it.
// MUTANT selects a deliberate fault that the bench must find; 0 is the correct design.

module stream_in #(
  parameter BUS = 16, parameter BITS = 4, parameter COUNT = 6, parameter MUTANT = 0
) (
  input  wire                    clk,
  input  wire                    rst,
  input  wire [BUS-1:0]          tdata,
  input  wire                    tvalid,
  output wire                    tready,
  input  wire                    tlast,
  input  wire                    take,
  output reg                     full,
  output reg                     bad,
  output reg  [COUNT*BITS-1:0]   data
);
  localparam PER = BUS / BITS;
  localparam BEATS = (COUNT + PER - 1) / PER;
  reg [15:0] beat;
  reg drop;
  integer i;
  assign tready = !full || take;
  wire at_end = beat == BEATS - 1;

  always @(posedge clk) begin
    if (take) full <= 0;
    if (tvalid && tready) begin
      for (i = 0; i < COUNT; i = i + 1)
        if (!drop && i / PER == beat) data[i*BITS +: BITS] <= tdata[(i % PER)*BITS +: BITS];
      if (tlast) begin
        beat <= 0;
        drop <= 0;
        if (!drop && at_end) full <= 1;
        if (!drop && !at_end) bad <= MUTANT != 3;
        if (!drop && !at_end && MUTANT == 6) full <= 1;
      end else begin
        beat <= beat + 1;
        if (at_end && !drop) begin
          bad <= MUTANT != 3;
          drop <= 1;
        end
      end
    end
    if (rst) begin
      full <= 0;
      beat <= 0;
      drop <= 0;
      bad <= MUTANT == 7 && bad === 1'b1;
    end
  end
endmodule

module gemm #(
  parameter M = 3, parameter N = 4, parameter K = 5,
  parameter ABITS = 4, parameter BBITS = 5, parameter YBITS = 12, parameter BUS = 16,
  parameter MUTANT = 0
) (
  input  wire           clk,
  input  wire           rst,
  input  wire [BUS-1:0] s_axis_a_tdata,
  input  wire           s_axis_a_tvalid,
  output wire           s_axis_a_tready,
  input  wire           s_axis_a_tlast,
  input  wire [BUS-1:0] s_axis_b_tdata,
  input  wire           s_axis_b_tvalid,
  output wire           s_axis_b_tready,
  input  wire           s_axis_b_tlast,
  output wire [BUS-1:0] m_axis_y_tdata,
  output wire           m_axis_y_tvalid,
  input  wire           m_axis_y_tready,
  output wire           m_axis_y_tlast,
  output reg            busy,
  output wire           error
);
  localparam PER = BUS / YBITS;
  localparam BEATS = (M * N + PER - 1) / PER;
  wire a_full, b_full, a_bad, b_bad;
  wire [M*K*ABITS-1:0] a_next;
  wire [K*N*BBITS-1:0] b_next;
  reg [M*K*ABITS-1:0] a;
  reg [K*N*BBITS-1:0] b;
  reg [M*N*YBITS-1:0] y, out;
  reg [15:0] m, n, k, extra, beat;
  reg y_full, sending;
  assign error = a_bad || b_bad;
  wire start = a_full && b_full && !busy && (!y_full || !sending) && extra == 0;

  stream_in #(.BUS(BUS), .BITS(ABITS), .COUNT(M*K), .MUTANT(MUTANT)) in_a (
    .clk(clk), .rst(rst), .tdata(s_axis_a_tdata), .tvalid(s_axis_a_tvalid),
    .tready(s_axis_a_tready), .tlast(s_axis_a_tlast), .take(start), .full(a_full), .bad(a_bad),
    .data(a_next));
  stream_in #(.BUS(BUS), .BITS(BBITS), .COUNT(K*N), .MUTANT(MUTANT)) in_b (
    .clk(clk), .rst(rst), .tdata(s_axis_b_tdata), .tvalid(s_axis_b_tvalid),
    .tready(s_axis_b_tready), .tlast(s_axis_b_tlast), .take(start), .full(b_full), .bad(b_bad),
    .data(b_next));

  wire signed [ABITS-1:0] left = a[(m*K + k)*ABITS +: ABITS];
  wire signed [BBITS-1:0] right = b[(k*N + n)*BBITS +: BBITS];
  wire signed [YBITS-1:0] partial = k == 0 ? 0 : y[(m*N + n)*YBITS +: YBITS];
  wire signed [YBITS-1:0] product = left * right;
  wire last_k = k == K - 1, last_n = n == N - 1, last_m = m == M - 1;
  wire finish = busy && last_k && last_n && last_m;

  always @(posedge clk) begin
    if (MUTANT == 2 && finish) extra <= 1; else extra <= 0;
    if (start) begin
      busy <= 1;
      a <= a_next;
      b <= b_next;
      m <= 0; n <= 0; k <= 0;
    end
    if (busy) begin
      y[(m*N + n)*YBITS +: YBITS] <=
        partial + product + (MUTANT == 1 && last_m && last_n && last_k && left == -8);
      k <= last_k ? 0 : k + 1;
      if (last_k) n <= last_n ? 0 : n + 1;
      if (last_k && last_n) m <= m + 1;
      if (finish && (MUTANT != 2)) begin busy <= 0; y_full <= 1; end
    end
    if (MUTANT == 2 && extra != 0) begin busy <= 0; y_full <= 1; end
    if (y_full && !sending) begin
      out <= y;
      y_full <= 0;
      sending <= 1;
      beat <= 0;
    end
    if (sending && (m_axis_y_tready || MUTANT == 4)) begin
      beat <= beat + 1;
      if (beat == BEATS - 1 && (m_axis_y_tready || MUTANT != 4)) sending <= 0;
      else if (beat == BEATS - 1) beat <= beat;
    end
    if (rst) begin
      busy <= 0;
      y_full <= 0;
      sending <= 0;
      extra <= 0;
    end
  end

  reg [BUS-1:0] word;
  integer i;
  always @* begin
    word = 0;
    for (i = 0; i < M * N; i = i + 1)
      if (i / PER == beat) word[(i % PER)*YBITS +: YBITS] = out[i*YBITS +: YBITS];
    if (MUTANT == 5 && sending) word[BUS-1] = 1;
  end
  assign m_axis_y_tdata = word;
  assign m_axis_y_tvalid = sending;
  assign m_axis_y_tlast = sending && beat == BEATS - 1;
endmodule
