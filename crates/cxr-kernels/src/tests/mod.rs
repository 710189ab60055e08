mod depthwise;
mod networks;
mod passes;
